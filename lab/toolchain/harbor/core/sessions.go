package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"evenkeel/lab/toolchain/harbor/internal/logs"
)

const (
	sessionCookie   = "sid"
	sessionLifetime = 60 * time.Minute
)

// sessions keeps portal sessions in Redis. As in Harbor, every request that is routed and does not bring the cookie of
// a living session leaves a new one there for an hour: pings and pulls too. Requests that are answered before routing
// (a failed CSRF check, an impossible repository name) leave none.
type sessions struct{ redis *redis.Client }

type session struct {
	ID   string `json:"-"`
	User string `json:"user,omitempty"`
}

// start finds the request's session, or begins one that is only stored by release. A Redis that does not answer is no
// error, only slow.
func (s sessions) start(r *http.Request) *session {
	if cookie, err := r.Cookie(sessionCookie); err == nil && cookie.Value != "" {
		if known, err := s.redis.Exists(r.Context(), cookie.Value).Result(); err == nil && known == 1 {
			return s.read(r.Context(), cookie.Value)
		}
	}
	id := make([]byte, 16)
	rand.Read(id)
	return s.read(r.Context(), hex.EncodeToString(id))
}

func (s sessions) read(ctx context.Context, id string) *session {
	found := &session{ID: id}
	if text, err := s.redis.Get(ctx, id).Bytes(); err == nil {
		if err := json.Unmarshal(text, found); err != nil {
			logs.Errorf("failed to decode session %s: %v", id, err)
		}
	}
	return found
}

func (s sessions) release(r *http.Request, current *session) {
	lifetime := sessionLifetime
	if r.Header.Get("X-Harbor-No-Session-Renewal") != "" {
		lifetime = redis.KeepTTL
	}
	text, _ := json.Marshal(current)
	if err := s.redis.Set(context.WithoutCancel(r.Context()), current.ID, text, lifetime).Err(); err != nil {
		logs.Debugf("release session error: %v", err)
	}
}

// regenerate gives a session a new name at login.
func (s sessions) regenerate(w http.ResponseWriter, r *http.Request, current *session) {
	id := make([]byte, 16)
	rand.Read(id)
	s.redis.Del(r.Context(), current.ID)
	current.ID = hex.EncodeToString(id)
	w.Header().Del("Set-Cookie")
	http.SetCookie(w, sessionCookieOf(current))
}

func sessionCookieOf(current *session) *http.Cookie {
	return &http.Cookie{Name: sessionCookie, Value: current.ID, Path: "/", HttpOnly: true}
}

type sessionKey struct{}

func sessionOf(r *http.Request) *session { return r.Context().Value(sessionKey{}).(*session) }

// keep wraps what is routed.
func (s sessions) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current := s.start(r)
		if cookie, err := r.Cookie(sessionCookie); err != nil || cookie.Value != current.ID {
			http.SetCookie(w, sessionCookieOf(current))
		}
		defer s.release(r, current)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, current)))
	})
}
