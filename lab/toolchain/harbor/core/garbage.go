package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

// startGarbageCollection gives jobservice the job, with CORE_SECRET. Of Harbor's schedules the stand-in has the manual
// one, which starts at once.
func (c *core) startGarbageCollection(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Schedule struct {
			Type string `json:"type"`
		} `json:"schedule"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Schedule.Type != "Manual" {
		answers.NotHere(w, r)
		return
	}
	var id int64
	err := c.database.QueryRow(r.Context(), "INSERT INTO execution (vendor_type, status) VALUES ('GARBAGE_COLLECTION', 'Pending') RETURNING id").Scan(&id)
	if err == nil {
		err = c.submit(r.Context(), id)
	}
	var refused refusedError
	if errors.As(err, &refused) {
		answers.Fault(w, refused.status, err.Error())
		return
	}
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Location", fmt.Sprintf("/api/v2.0/system/gc/%d", id))
	w.WriteHeader(http.StatusCreated)
}

// refusedError is jobservice's refusal, which core passes on with its status.
type refusedError struct {
	status  int
	message string
}

func (e refusedError) Error() string { return "failed to submit job: " + e.message }

func (c *core) submit(ctx context.Context, id int64) error {
	body, err := json.Marshal(map[string]any{"job": map[string]any{
		"name":        "GARBAGE_COLLECTION",
		"metadata":    map[string]any{"kind": "Generic"},
		"status_hook": fmt.Sprintf("%s/service/notifications/tasks/%d", c.coreURL, id),
	}})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.jobserviceURL+"/api/v1/jobs", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Harbor-Secret "+c.coreSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return c.finish(ctx, id, "Error", err.Error())
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		message := fmt.Sprintf("http error: code %d, message %s", response.StatusCode, text)
		if err := c.finish(ctx, id, "Error", message); err != nil {
			return err
		}
		return refusedError{response.StatusCode, message}
	}
	return nil
}

func (c *core) finish(ctx context.Context, id any, status, message string) error {
	_, err := c.database.Exec(ctx, "UPDATE execution SET status = $1, status_message = $2 WHERE id::text = $3", status, message, fmt.Sprint(id))
	return err
}

// taskNotification is jobservice's report.
func (c *core) taskNotification(w http.ResponseWriter, r *http.Request) {
	var change struct {
		Status  string `json:"status"`
		CheckIn string `json:"check_in"`
	}
	err := json.NewDecoder(r.Body).Decode(&change)
	if err == nil {
		err = c.finish(r.Context(), r.PathValue("task"), change.Status, change.CheckIn)
	}
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
	}
}

type execution struct {
	ID      int64     `json:"id"`
	Name    string    `json:"job_name"`
	Status  string    `json:"job_status"`
	Message string    `json:"-"`
	Started time.Time `json:"creation_time"`
}

func (c *core) listGarbageCollections(w http.ResponseWriter, r *http.Request) {
	rows, err := c.database.Query(r.Context(), "SELECT id, vendor_type, status, status_message, start_time FROM execution ORDER BY id DESC")
	var found []execution
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[execution])
	}
	if err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	answers.JSON(w, http.StatusOK, append([]execution{}, found...))
}
