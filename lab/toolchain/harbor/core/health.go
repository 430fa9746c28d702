package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

type component struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

// health asks the other services every 10 s, in the background, and answers what it saw last. It sees whether they are
// up, and nothing of keys that differ between nodes.
type health struct {
	mutex  sync.Mutex
	states map[string]error
}

const healthPeriod = 10 * time.Second

func (c *core) watchHealth() *health {
	h := &health{states: map[string]error{"core": nil}}
	checks := map[string]func() error{
		"portal":      func() error { return answersOK(c.portalURL) },
		"jobservice":  func() error { return answersOK(c.jobserviceURL + "/api/v1/stats") },
		"registry":    func() error { return answersOK(c.registryURL + "/") },
		"registryctl": func() error { return answersOK(c.registryctl + "/api/health") },
		"redis":       func() error { return c.sessions.redis.Ping(context.Background()).Err() },
		"database": func() error {
			_, err := c.database.Exec(context.Background(), "SELECT 1")
			return err
		},
	}
	for name, check := range checks {
		h.states[name] = errors.New("unknown status")
		go func() {
			for {
				err := check()
				h.mutex.Lock()
				h.states[name] = err
				h.mutex.Unlock()
				time.Sleep(healthPeriod)
			}
		}()
	}
	return h
}

func answersOK(url string) error {
	client := http.Client{Timeout: time.Minute}
	response, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("failed to check health: %v", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return fmt.Errorf("received unexpected status code: %d %s", response.StatusCode, text)
	}
	return nil
}

// ServeHTTP answers 200 whatever it has seen.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	status, components := "healthy", []component{}
	for name, err := range h.states {
		state := component{Name: name, Status: "healthy"}
		if err != nil {
			state.Status, state.Error = "unhealthy", err.Error()
			status = "unhealthy"
		}
		components = append(components, state)
	}
	slices.SortFunc(components, func(a, b component) int { return cmp.Compare(a.Name, b.Name) })
	answers.JSON(w, http.StatusOK, map[string]any{"status": status, "components": components})
}
