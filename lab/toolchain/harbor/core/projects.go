package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

type project struct {
	ID       int64             `json:"project_id"`
	Name     string            `json:"name"`
	Owner    int64             `json:"owner_id"`
	Created  string            `json:"creation_time"`
	Metadata map[string]string `json:"metadata"`
	Public   bool              `json:"-"`
	created  time.Time
}

func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

func duplicate(err error) bool {
	var found *pgconn.PgError
	return errors.As(err, &found) && found.Code == "23505"
}

func (c *core) projects(ctx context.Context, where string, values ...any) ([]project, error) {
	rows, err := c.database.Query(ctx, "SELECT project_id, name, owner_id, public, creation_time FROM project WHERE "+where+" ORDER BY project_id", values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (project, error) {
		var p project
		err := row.Scan(&p.ID, &p.Name, &p.Owner, &p.Public, &p.created)
		p.Created = p.created.UTC().Format(time.RFC3339)
		p.Metadata = map[string]string{"public": strconv.FormatBool(p.Public)}
		return p, err
	})
}

// project finds one by name, or pgx.ErrNoRows.
func (c *core) project(ctx context.Context, name string) (project, error) {
	found, err := c.projects(ctx, "name = $1", name)
	if err == nil && len(found) == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return project{}, err
	}
	return found[0], nil
}

func (c *core) listProjects(w http.ResponseWriter, r *http.Request) {
	found, err := c.projects(r.Context(), "name LIKE '%' || $1 || '%' AND (public OR $2)", r.URL.Query().Get("name"), callerOf(r).admin)
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(len(found)))
	answers.JSON(w, http.StatusOK, append([]project{}, found...))
}

// headProject says by its status whether a project exists: 200 or 404.
func (c *core) headProject(w http.ResponseWriter, r *http.Request) {
	_, err := c.project(r.Context(), r.URL.Query().Get("project_name"))
	switch {
	case noRows(err):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	}
}

func (c *core) getProject(w http.ResponseWriter, r *http.Request) {
	found, err := c.projects(r.Context(), "name = $1 OR project_id::text = $1", r.PathValue("project"))
	switch {
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	case len(found) == 0:
		answers.Fault(w, http.StatusNotFound, "project "+r.PathValue("project")+" not found")
	case !found[0].Public && !callerOf(r).admin:
		answers.Fault(w, http.StatusForbidden, "forbidden")
	default:
		answers.JSON(w, http.StatusOK, found[0])
	}
}

func (c *core) createProject(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Name     string            `json:"project_name"`
		Public   *bool             `json:"public"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Name == "" {
		answers.Fault(w, http.StatusBadRequest, "the project's name is missing")
		return
	}
	public := asked.Metadata["public"] == "true" || (asked.Public != nil && *asked.Public)
	var id int64
	err := c.database.QueryRow(r.Context(), "INSERT INTO project (name, owner_id, public) VALUES ($1, 1, $2) RETURNING project_id",
		asked.Name, public).Scan(&id)
	switch {
	case duplicate(err):
		answers.Fault(w, http.StatusConflict, "The project named "+asked.Name+" already exists")
	case err != nil:
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	default:
		w.Header().Set("Location", fmt.Sprintf("/api/v2.0/projects/%d", id))
		w.WriteHeader(http.StatusCreated)
	}
}
