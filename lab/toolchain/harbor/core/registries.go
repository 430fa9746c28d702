package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

// remote is a registry elsewhere, with the credential that is stored encrypted with the secret key.
type remote struct {
	ID         int64      `json:"id"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	URL        string     `json:"url"`
	Insecure   bool       `json:"insecure"`
	Credential credential `json:"credential"`
}

type credential struct {
	Type   string `json:"type"`
	Key    string `json:"access_key"`
	Secret string `json:"access_secret"`
}

func (c *core) remotes(ctx context.Context, where string, values ...any) ([]remote, error) {
	rows, err := c.database.Query(ctx, `SELECT id, name, type, url, insecure, credential_type, access_key, access_secret
		FROM registry WHERE `+where+` ORDER BY id`, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (remote, error) {
		var found remote
		err := row.Scan(&found.ID, &found.Name, &found.Type, &found.URL, &found.Insecure, &found.Credential.Type,
			&found.Credential.Key, &found.Credential.Secret)
		if err == nil && found.Credential.Secret != "" {
			found.Credential.Secret, err = decryptSecret(c.secretKeyPath, found.Credential.Secret)
		}
		return found, err
	})
}

func (c *core) listRegistries(w http.ResponseWriter, r *http.Request) {
	found, err := c.remotes(r.Context(), "true")
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	for i := range found {
		if found[i].Credential.Secret != "" {
			found[i].Credential.Secret = "*****"
		}
	}
	answers.JSON(w, http.StatusOK, append([]remote{}, found...))
}

func (c *core) createRegistry(w http.ResponseWriter, r *http.Request) {
	var asked remote
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		answers.Fault(w, http.StatusBadRequest, err.Error())
		return
	}
	if !healthy(r.Context(), asked) {
		answers.Fault(w, http.StatusBadRequest, "the registry is unhealthy")
		return
	}
	secret := asked.Credential.Secret
	if secret != "" {
		var err error
		if secret, err = encryptSecret(c.secretKeyPath, secret); err != nil {
			answers.Fault(w, http.StatusInternalServerError, err.Error())
			return
		}
	}
	err := c.database.QueryRow(r.Context(), `INSERT INTO registry (name, type, url, insecure, credential_type, access_key,
		access_secret) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`, asked.Name, asked.Type, asked.URL, asked.Insecure,
		asked.Credential.Type, asked.Credential.Key, secret).Scan(&asked.ID)
	switch {
	case duplicate(err):
		answers.Fault(w, http.StatusConflict, "registry "+asked.Name+" already exists")
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	default:
		w.Header().Set("Location", fmt.Sprintf("/api/v2.0/registries/%d", asked.ID))
		w.WriteHeader(http.StatusCreated)
	}
}

// pingRegistry tries a stored credential. With another secret key than it was stored under, all that one sees is that
// the other registry does not like it.
func (c *core) pingRegistry(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		ID int64 `json:"id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.ID == 0 {
		answers.NotHere(w, r)
		return
	}
	found, err := c.remotes(r.Context(), "id = $1", asked.ID)
	switch {
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	case len(found) == 0:
		answers.Fault(w, http.StatusNotFound, fmt.Sprintf("registry %d not found", asked.ID))
	case !healthy(r.Context(), found[0]):
		answers.Fault(w, http.StatusBadRequest, "the registry is unhealthy")
	}
}

func healthy(ctx context.Context, target remote) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(target.URL, "/")+"/v2/", nil)
	if err != nil {
		return false
	}
	if target.Credential.Key != "" {
		request.SetBasicAuth(target.Credential.Key, target.Credential.Secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}
