package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

const garbageCollection = "GARBAGE_COLLECTION"

// jobs takes core's jobs (CORE_SECRET), keeps their state in Redis, and reports how they ended.
type jobs struct {
	coreSecret, secret, registryctl string
	redis                           *redis.Client
	namespace                       string
}

type job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Hook   string `json:"web_hook_url"`
}

func (j *jobs) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !answers.BearsSecret(r, j.coreSecret) {
			logs.Errorf("Serve http request '%s %s' failed with error: unauthorized", r.Method, r.URL)
			answers.JSON(w, http.StatusUnauthorized, map[string]any{"code": 10011, "message": "not authorized", "details": "unauthorized"})
			return
		}
		next(w, r)
	}
}

func (j *jobs) launch(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Job struct {
			Name     string `json:"name"`
			Metadata struct {
				Kind string `json:"kind"`
			} `json:"metadata"`
			Hook string `json:"status_hook"`
		} `json:"job"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Job.Name != garbageCollection {
		answers.NotHere(w, r)
		return
	}
	id := make([]byte, 12)
	rand.Read(id)
	launched := job{hex.EncodeToString(id), "Pending", asked.Job.Name, asked.Job.Metadata.Kind, asked.Job.Hook}
	if err := j.save(r.Context(), launched); err != nil {
		answers.Fault(w, http.StatusInternalServerError, err.Error())
		return
	}
	go j.run(launched)
	answers.JSON(w, http.StatusAccepted, map[string]job{"job": launched})
}

func (j *jobs) key(id string) string { return fmt.Sprintf("{%s}:job_stats:%s", j.namespace, id) }

func (j *jobs) save(ctx context.Context, state job) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return j.redis.Set(ctx, j.key(state.ID), text, 24*time.Hour).Err()
}

func (j *jobs) get(w http.ResponseWriter, r *http.Request) {
	text, err := j.redis.Get(r.Context(), j.key(r.PathValue("job"))).Bytes()
	var found job
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		answers.Fault(w, http.StatusNotFound, "job "+r.PathValue("job")+" not found")
		return
	}
	answers.JSON(w, http.StatusOK, map[string]job{"job": found})
}

func (j *jobs) run(state job) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state.Status = "Success"
	message := ""
	if err := j.askRegistryctl(ctx); err != nil {
		state.Status, message = "Error", err.Error()
		logs.Errorf("Job '%s:%s' exit with error: %s", state.Name, state.ID, err)
	}
	if err := j.save(ctx, state); err != nil {
		logs.Errorf("failed to keep the state of job %s: %v", state.ID, err)
	}
	if err := j.report(ctx, state, message); err != nil {
		logs.Errorf("failed to report the status of job %s: %v", state.ID, err)
	}
}

// askRegistryctl deletes a blob that cannot exist: 404 means that the secret was taken.
func (j *jobs) askRegistryctl(ctx context.Context) error {
	url := j.registryctl + "/api/registry/blob/sha256:" + strings.Repeat("0", 64)
	status, err := j.send(ctx, http.MethodDelete, url, nil)
	if err == nil && status != http.StatusNotFound {
		err = fmt.Errorf("failed to delete blob: http status code: %d", status)
	}
	return err
}

func (j *jobs) report(ctx context.Context, state job, message string) error {
	body, err := json.Marshal(map[string]string{"job_id": state.ID, "status": state.Status, "check_in": message})
	if err != nil {
		return err
	}
	status, err := j.send(ctx, http.MethodPost, state.Hook, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("http status code: %d", status)
	}
	return err
}

func (j *jobs) send(ctx context.Context, method, url string, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Harbor-Secret "+j.secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
