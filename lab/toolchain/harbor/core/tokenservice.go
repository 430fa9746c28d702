package main

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

// tokenService answers /service/token. Whoever asks for a scope gets a token, with no more access in it than he has:
// an anonymous caller's is good for public projects. Without a scope (docker login) only known callers get one.
func (c *core) tokenService(w http.ResponseWriter, r *http.Request) {
	if service := r.URL.Query().Get("service"); service != tokenAudience {
		text := template.HTMLEscapeString("Unable to handle service: " + service)
		logs.Errorf("%s", text)
		abort(w, http.StatusBadRequest, text)
		return
	}
	caller := callerOf(r)
	var scopes []string
	for _, scope := range r.URL.Query()["scope"] {
		scopes = append(scopes, strings.Split(scope, " ")...)
	}
	if !caller.known() && len(scopes) == 0 {
		abort(w, http.StatusUnauthorized, "")
		return
	}
	access := requestedAccess(scopes)
	for i := range access {
		access[i].Actions = c.granted(r, caller, access[i])
	}
	now := time.Now().UTC()
	token, err := mint(c.tokenKeyPath, caller.name, access, now)
	if err != nil {
		logs.Errorf("Unexpected error when creating the token, error: %v", err)
		abort(w, http.StatusInternalServerError, "")
		return
	}
	answers.JSON(w, http.StatusOK, map[string]any{
		"token":        token,
		"access_token": "",
		"expires_in":   int(tokenLifetime.Seconds()),
		"issued_at":    now.Format(time.RFC3339),
	})
}

// granted is what the caller may do, whatever of it was asked for.
func (c *core) granted(r *http.Request, caller caller, asked resourceActions) []string {
	granted := []string{}
	switch {
	case asked.Type == "registry" && asked.Name == "catalog":
		if caller.admin {
			return asked.Actions
		}
	case asked.Type == "repository":
		name, _, found := strings.Cut(asked.Name, "/")
		if !found {
			logs.Errorf("Failed to handle the resource %s:%s, due to error unable to parse image from string", asked.Type, asked.Name)
			return granted
		}
		project, err := c.project(r.Context(), name)
		if err != nil {
			if !errors.Is(err, pgx.ErrNoRows) {
				logs.Errorf("Failed to handle the resource %s:%s, due to error %v, returning empty access for it.", asked.Type, asked.Name, err)
			}
			return granted
		}
		for _, action := range []string{"pull", "push", "delete"} {
			if caller.may(action, project) {
				granted = append(granted, action)
			}
		}
	default:
		logs.Warningf("No filter found for access type: %s, skip filter, the access of resource '%s' will be set empty.", asked.Type, asked.Name)
	}
	return granted
}

// abort is the web framework's way to end a request: the text alone.
func abort(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}
