// Package answers writes HTTP answers in Harbor's form: JSON bodies, and {"errors": [{"code", "message"}]}.
package answers

import (
	"encoding/json"
	"net/http"
	"strings"

	"evenkeel/lab/toolchain/harbor/internal/logs"
)

// JSON writes value with the given status.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		logs.Errorf("failed to write the answer: %v", err)
	}
}

type fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Fault writes an error. What is wrong inside (5xx) goes to the log only, never to the client.
func Fault(w http.ResponseWriter, status int, message string) {
	code := strings.ReplaceAll(strings.ToUpper(http.StatusText(status)), " ", "_")
	if status == http.StatusInternalServerError {
		logs.Errorf("%s", message)
		code, message = "UNKNOWN", "internal server error"
	}
	JSON(w, status, map[string][]fault{"errors": {{code, message}}})
}

// NotHere refuses what the stand-in does not have: nobody shall take its silence for Harbor's answer.
func NotHere(w http.ResponseWriter, r *http.Request) {
	Fault(w, http.StatusNotImplemented, "this is the lab's stand-in for Harbor, and it has no "+r.Method+" "+r.URL.Path)
}
