package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

const robotPrefix = "robot$"

type permission struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Access    []struct {
		Resource string `json:"resource"`
		Action   string `json:"action"`
		Effect   string `json:"effect,omitempty"`
	} `json:"access"`
}

// allows answers for repositories. Whoever may push may pull, too.
func (granted permission) allows(action string, p project) bool {
	if granted.Kind != "project" || (granted.Namespace != "*" && granted.Namespace != p.Name) {
		return false
	}
	for _, access := range granted.Access {
		if access.Resource == "repository" && (access.Action == action || (action == "pull" && access.Action == "push")) {
			return access.Effect != "deny"
		}
	}
	return false
}

type robot struct {
	ID          int64        `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Level       string       `json:"level"`
	Duration    int64        `json:"duration"`
	Editable    bool         `json:"editable"`
	Disable     bool         `json:"disable"`
	ExpiresAt   int64        `json:"expires_at"`
	Permissions []permission `json:"permissions"`
	Created     time.Time    `json:"creation_time"`
	secret      string
	salt        string
}

func (c *core) robots(ctx context.Context, where string, values ...any) ([]robot, error) {
	rows, err := c.database.Query(ctx, `SELECT id, name, description, level, duration, disabled, expiresat, permissions,
		creation_time, secret, salt FROM robot WHERE `+where+` ORDER BY id`, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (robot, error) {
		found := robot{Editable: true}
		err := row.Scan(&found.ID, &found.Name, &found.Description, &found.Level, &found.Duration, &found.Disable,
			&found.ExpiresAt, &found.Permissions, &found.Created, &found.secret, &found.salt)
		found.Name = robotPrefix + found.Name
		return found, err
	})
}

// createRobot draws the secret itself, as Harbor does whatever the request says: a wanted one is set by PATCH.
func (c *core) createRobot(w http.ResponseWriter, r *http.Request) {
	var asked robot
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		answers.Fault(w, http.StatusBadRequest, err.Error())
		return
	}
	projectID, err := c.checkRobot(r.Context(), &asked)
	if err != nil {
		answers.Fault(w, http.StatusBadRequest, err.Error())
		return
	}
	expires := int64(-1)
	if asked.Duration != -1 {
		expires = time.Now().AddDate(0, 0, int(asked.Duration)).Unix()
	}
	secret, salt := randomString(32), randomString(32)
	var created time.Time
	err = c.database.QueryRow(r.Context(), `INSERT INTO robot (name, description, secret, salt, project_id, level,
		permissions, duration, expiresat) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id, creation_time`,
		asked.Name, asked.Description, hashed(secret, salt, "sha256"), salt, projectID, asked.Level, asked.Permissions,
		asked.Duration, expires).Scan(&asked.ID, &created)
	switch {
	case duplicate(err):
		answers.Fault(w, http.StatusConflict, "robot account "+asked.Name+" already exists")
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	default:
		w.Header().Set("Location", fmt.Sprintf("/api/v2.0/robots/%d", asked.ID))
		answers.JSON(w, http.StatusCreated, map[string]any{"id": asked.ID, "name": robotPrefix + asked.Name,
			"secret": secret, "creation_time": created, "expires_at": expires})
	}
}

var robotName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// checkRobot gives a project's robot its full name, and finds the project's number (0 for a system's robot).
func (c *core) checkRobot(ctx context.Context, asked *robot) (int64, error) {
	if asked.Duration != -1 && asked.Duration <= 0 {
		return 0, fmt.Errorf("bad request error duration input: %d, duration must be either -1(Never) or a positive integer", asked.Duration)
	}
	if asked.Level != "system" && asked.Level != "project" {
		return 0, fmt.Errorf("bad request error level input: %s", asked.Level)
	}
	if len(asked.Permissions) == 0 {
		return 0, fmt.Errorf("bad request empty permission")
	}
	if !robotName.MatchString(asked.Name) {
		return 0, fmt.Errorf("robot name is not in lower case or contains illegal characters")
	}
	if asked.Level == "system" {
		return 0, nil
	}
	project, err := c.project(ctx, asked.Permissions[0].Namespace)
	asked.Name = project.Name + "+" + asked.Name
	return project.ID, err
}

// listRobots understands q=Level=project,ProjectID=1,name=library+puller; without a level it lists the system's. A
// name is the stored one, with its project's but without "robot$", and a part of it after "~".
func (c *core) listRobots(w http.ResponseWriter, r *http.Request) {
	query, err := keywords(r.URL.Query().Get("q"))
	if err != nil {
		answers.Fault(w, http.StatusBadRequest, err.Error())
		return
	}
	level, projectID := "system", int64(0)
	if query["Level"] == "project" {
		level = "project"
		if projectID, err = strconv.ParseInt(query["ProjectID"], 10, 64); err != nil {
			answers.Fault(w, http.StatusBadRequest, "must with project ID when to query project robots")
			return
		}
	}
	where, value := "name = $3", query["name"]
	if part, fuzzy := strings.CutPrefix(value, "~"); fuzzy || value == "" {
		where, value = "name LIKE '%' || $3 || '%'", part
	}
	found, err := c.robots(r.Context(), "level = $1 AND project_id = $2 AND "+where, level, projectID, value)
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(found)))
	answers.JSON(w, http.StatusOK, append([]robot{}, found...))
}

// keywords splits q, which Harbor unescapes once more than HTTP does: a "+" has to come as %252B.
func keywords(q string) (map[string]string, error) {
	result := map[string]string{}
	if unescaped, err := url.QueryUnescape(q); err == nil {
		q = unescaped
	}
	for part := range strings.SplitSeq(q, ",") {
		key, value, found := strings.Cut(part, "=")
		switch {
		case q == "":
		case !found || key == "" || value == "":
			return nil, errors.New(`the query string must contain "=" and the key/value cannot be empty`)
		default:
			result[key] = value
		}
	}
	return result, nil
}

// oneRobot finds the robot that the path names, or answers for it.
func (c *core) oneRobot(w http.ResponseWriter, r *http.Request) (robot, bool) {
	found, err := c.robots(r.Context(), "id::text = $1", r.PathValue("robot"))
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return robot{}, false
	}
	if len(found) == 0 {
		answers.Fault(w, http.StatusNotFound, "robot "+url.PathEscape(r.PathValue("robot"))+" not found")
		return robot{}, false
	}
	return found[0], true
}

func (c *core) getRobot(w http.ResponseWriter, r *http.Request) {
	if found, ok := c.oneRobot(w, r); ok {
		answers.JSON(w, http.StatusOK, found)
	}
}

func (c *core) deleteRobot(w http.ResponseWriter, r *http.Request) {
	found, ok := c.oneRobot(w, r)
	if !ok {
		return
	}
	if _, err := c.database.Exec(r.Context(), "DELETE FROM robot WHERE id = $1", found.ID); err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	}
}

var hasLower, hasUpper, hasDigit = regexp.MustCompile(`[a-z]`), regexp.MustCompile(`[A-Z]`), regexp.MustCompile(`\d`)

// refreshSecret sets the secret of the request, or draws one and tells it.
func (c *core) refreshSecret(w http.ResponseWriter, r *http.Request) {
	found, ok := c.oneRobot(w, r)
	if !ok {
		return
	}
	var asked struct {
		Secret string `json:"secret,omitempty"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		answers.Fault(w, http.StatusBadRequest, err.Error())
		return
	}
	secret, told := asked.Secret, asked
	told.Secret = ""
	if secret == "" {
		secret = randomString(32)
		told.Secret = secret
	} else if n := len(secret); n < 8 || n > 128 || !hasLower.MatchString(secret) || !hasUpper.MatchString(secret) || !hasDigit.MatchString(secret) {
		answers.Fault(w, http.StatusBadRequest, "the secret must be 8-128, inclusively, characters long with at least 1 uppercase letter, 1 lowercase letter and 1 number")
		return
	}
	if _, err := c.database.Exec(r.Context(), "UPDATE robot SET secret = $1 WHERE id = $2", hashed(secret, found.salt, "sha256"), found.ID); err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	answers.JSON(w, http.StatusOK, told)
}
