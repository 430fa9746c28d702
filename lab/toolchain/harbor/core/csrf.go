package main

import (
	"net/http"
	"strings"

	"github.com/gorilla/csrf"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

const csrfHeader = "X-Harbor-CSRF-Token"

// csrfGuard protects the portal's requests, and those to the APIs that bring a session's cookie. The cookie that it
// sets is good on every node with the same CSRF_KEY.
func csrfGuard(key, externalEndpoint string, next http.Handler) http.Handler {
	var guarded http.Handler
	switch len(key) {
	case 0:
		key = randomString(32)
		fallthrough
	case 32:
		guarded = csrf.Protect([]byte(key), csrf.RequestHeader(csrfHeader), csrf.Path("/"),
			csrf.Secure(!strings.HasPrefix(strings.ToLower(externalEndpoint), "http://")),
			csrf.SameSite(csrf.SameSiteStrictMode),
			csrf.ErrorHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(csrfHeader, csrf.Token(r))
				answers.Fault(w, http.StatusForbidden, csrf.FailureReason(r).Error())
			})))(attachCSRFToken(next))
	default:
		logs.Errorf("Invalid CSRF key length from the environment: %s. Please ensure the key length is 32 characters.", key)
		guarded = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answers.Fault(w, http.StatusInternalServerError, "invalid CSRF key length from the environment. Please ensure the key length is 32 characters")
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if needsNoCSRF(r) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func attachCSRFToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(csrfHeader, csrf.Token(r))
		next.ServeHTTP(w, r)
	})
}

func needsNoCSRF(r *http.Request) bool {
	if _, err := r.Cookie(sessionCookie); err == nil {
		return false
	}
	for _, prefix := range []string{"/v2/", "/api/", "/service/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return true
		}
	}
	return false
}
