package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

// need is one permission that a request to /v2/ takes.
type need struct {
	repository, action string // the login check and the catalog have no repository
	catalog            bool
}

func needsOf(r *http.Request) []need {
	if r.URL.Path == "/v2/" {
		return []need{{}}
	}
	if catalogPath.MatchString(r.URL.Path) {
		return []need{{catalog: true}}
	}
	actions := map[string]string{
		"GET": "pull", "HEAD": "pull", "POST": "push", "PATCH": "push", "PUT": "push", "DELETE": "delete",
	}
	found, action := artifactOf(r), actions[r.Method]
	if found.repository == "" || action == "" {
		return nil
	}
	needs := []need{{repository: found.repository, action: action}}
	if r.Method == http.MethodPost && found.mountFrom != "" {
		needs = append(needs, need{repository: found.mountFrom, action: "pull"})
	}
	return needs
}

func (n need) scope() string {
	if n.repository == "" {
		return ""
	}
	actions := n.action
	if actions == "push" {
		actions = "pull,push"
	}
	return "repository:" + n.repository + ":" + actions
}

// authorize lets a request to /v2/ pass, or answers 401 with the challenge that tells the client how to go on.
func (c *core) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		challenge, err := c.refusal(r)
		if err != nil {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.Header().Set("Www-Authenticate", challenge)
			answers.Fault(w, http.StatusUnauthorized, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *core) refusal(r *http.Request) (challenge string, err error) {
	needs, caller := needsOf(r), callerOf(r)
	if len(needs) == 0 {
		return "", fmt.Errorf("un-recognized request: %s %s", r.Method, r.URL.Path)
	}
	for _, need := range needs {
		switch {
		case need.catalog:
			if !caller.admin {
				return c.challenge(r, needs), fmt.Errorf("unauthorized to list catalog")
			}
		case need.repository == "":
			if !caller.known() {
				return c.challenge(r, needs), fmt.Errorf("unauthorized")
			}
		case r.Header.Get("Authorization") == "" && (r.Method == http.MethodHead || r.Method == http.MethodGet):
			return c.challenge(r, needs), fmt.Errorf("authorize header needed to send HEAD to repository")
		default:
			name, _, _ := strings.Cut(need.repository, "/")
			project, err := c.project(r.Context(), name)
			if noRows(err) {
				err = fmt.Errorf("project %s not found", name)
			}
			if err != nil {
				return "", err
			}
			if !caller.may(need.action, project) {
				return c.challenge(r, needs), fmt.Errorf("unauthorized to access repository: %s, action: %s", need.repository, need.action)
			}
		}
	}
	return "", nil
}

// challenge sends who brought no credentials to the token service; who brought any, be it a token that does not
// verify, is asked for a password.
func (c *core) challenge(r *http.Request, needs []need) string {
	if r.Header.Get("Authorization") != "" || catalogPath.MatchString(r.URL.Path) {
		return `Basic realm="harbor"`
	}
	challenge := fmt.Sprintf(`Bearer realm="%s/service/token",service="%s"`, c.tokenServiceBase(r.Host), tokenAudience)
	var scopes []string
	for _, need := range needs {
		if scope := need.scope(); scope != "" {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) > 0 {
		challenge += fmt.Sprintf(`,scope="%s"`, strings.Join(scopes, " "))
	}
	return challenge
}

// tokenServiceBase is the address that the client itself used, under the external endpoint's scheme.
func (c *core) tokenServiceBase(host string) string {
	if internal, err := url.Parse(c.coreURL); err == nil && host == internal.Host {
		return c.coreURL
	}
	if scheme, _, found := strings.Cut(c.externalEndpoint, "://"); found && host != "" {
		return scheme + "://" + host
	}
	if host != "" {
		return host
	}
	return strings.TrimSuffix(c.externalEndpoint, "/")
}
