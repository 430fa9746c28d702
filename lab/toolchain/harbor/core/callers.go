package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

// caller is who a request comes from, and what he may do. Of users the stand-in knows administrators only.
type caller struct {
	name    string
	admin   bool
	service bool              // jobservice, by its secret
	robot   []permission      // of a robot account
	token   []resourceActions // of a bearer token
}

func (c caller) known() bool { return c.name != "" }

// may says whether the caller may pull from, push to or delete from the project's repositories.
func (c caller) may(action string, p project) bool {
	switch {
	case c.admin, c.service:
		return true
	case c.robot != nil:
		return slices.ContainsFunc(c.robot, func(granted permission) bool { return granted.allows(action, p) })
	case c.token != nil:
		return slices.ContainsFunc(c.token, func(a resourceActions) bool {
			name, _, _ := strings.Cut(a.Name, "/")
			return a.Type == "repository" && name == p.Name && slices.Contains(a.Actions, action)
		})
	}
	return action == "pull" && p.Public
}

type callerKey struct{}

func callerOf(r *http.Request) caller {
	found, _ := r.Context().Value(callerKey{}).(caller)
	return found
}

// identify tries, in Harbor's order, a service's secret, a bearer token, a robot, a user's password, a session. What
// does not verify is no error here: the request goes on as an anonymous one.
func (c *core) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, try := range []func(*http.Request) *caller{c.bySecret, c.byToken, c.byRobot, c.byPassword, c.bySession} {
			if found := try(r); found != nil {
				r = r.WithContext(context.WithValue(r.Context(), callerKey{}, *found))
				break
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (c *core) bySecret(r *http.Request) *caller {
	if !answers.BearsSecret(r, c.jobserviceSecret) {
		return nil
	}
	return &caller{name: "harbor-jobservice", service: true}
}

func (c *core) byToken(r *http.Request) *caller {
	_, raw, found := strings.Cut(r.Header.Get("Authorization"), "Bearer")
	if !found || !strings.HasPrefix(r.URL.Path, "/v2") {
		return nil
	}
	verified, err := verify(c.tokenKeyPath, strings.TrimSpace(raw))
	if err != nil {
		logs.Warningf("failed to decode bearer token: %v", err)
		return nil
	}
	for _, name := range artifactOf(r).projects() {
		project, err := c.project(r.Context(), name)
		if err != nil {
			logs.Warningf("failed to get project %q for token validation: %v", name, err)
			return nil
		}
		if verified.IssuedAt.Add(clockLeeway).Before(project.created) {
			logs.Warningf("bearer token issued at %v is before project %q creation time %v, rejecting", verified.IssuedAt, name, project.created)
			return nil
		}
	}
	return &caller{name: verified.Subject, token: append([]resourceActions{}, verified.Access...)}
}

func (c *core) byRobot(r *http.Request) *caller {
	name, secret, given := r.BasicAuth()
	if !given || !strings.HasPrefix(name, robotPrefix) {
		return nil
	}
	found, err := c.robots(r.Context(), "name = $1", strings.TrimPrefix(name, robotPrefix))
	if err != nil {
		logs.Errorf("failed to list robots: %v", err)
		return nil
	}
	if len(found) == 0 {
		return nil
	}
	switch account := found[0]; {
	case hashed(secret, account.salt, "sha256") != account.secret:
		logs.Errorf("failed to authenticate robot account: %s", name)
	case account.Disable:
		logs.Errorf("failed to authenticate deactivated robot account: %s", name)
	case account.ExpiresAt != -1 && account.ExpiresAt <= time.Now().Unix():
		logs.Errorf("the robot account is expired: %s", name)
	default:
		return &caller{name: name, robot: append([]permission{}, account.Permissions...)}
	}
	return nil
}

func (c *core) byPassword(r *http.Request) *caller {
	name, password, given := r.BasicAuth()
	if !given {
		return nil
	}
	found, err := c.login(r.Context(), name, password)
	if err != nil {
		logs.Errorf("[client IP=%q user agent=%q] failed to authenticate user:%s, error:%v",
			r.Header.Get("X-Forwarded-For"), r.UserAgent(), name, err)
	}
	return found
}

func (c *core) bySession(r *http.Request) *caller {
	session := c.sessions.start(r)
	if session.User == "" {
		return nil
	}
	return &caller{name: session.User, admin: true}
}

// failedLogins freezes an account on this node for a moment after a wrong password, even for the right one.
type failedLogins struct {
	mutex sync.Mutex
	last  map[string]time.Time
}

const frozen = 1500 * time.Millisecond

func (f *failedLogins) lockedNow(name string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return time.Since(f.last[name]) <= frozen
}

func (f *failedLogins) add(name string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.last[name] = time.Now()
}

type loginError string

func (e loginError) Error() string {
	return "Failed to authenticate user, due to error '" + string(e) + "'"
}

// login finds nobody (nil, nil) while the account is frozen.
func (c *core) login(ctx context.Context, name, password string) (*caller, error) {
	if c.failures.lockedNow(name) {
		return nil, nil
	}
	var stored, salt, kind string
	var admin bool
	err := c.database.QueryRow(ctx, "SELECT password, salt, password_version, sysadmin_flag FROM harbor_user WHERE username = $1", name).
		Scan(&stored, &salt, &kind, &admin)
	if err == nil && hashed(password, salt, kind) == stored {
		return &caller{name: name, admin: admin}, nil
	}
	if err != nil && !noRows(err) {
		return nil, err
	}
	logs.Warningf("Login failed, locking %s, and sleep for %v", name, frozen)
	c.failures.add(name)
	time.Sleep(frozen)
	return nil, loginError("Invalid credentials")
}

// setFirstPassword gives admin HARBOR_ADMIN_PASSWORD once: on a fresh database, and be it empty.
func (c *core) setFirstPassword(ctx context.Context, password string) error {
	const adminID = 1
	var salt string
	if err := c.database.QueryRow(ctx, "SELECT salt FROM harbor_user WHERE user_id = $1", adminID).Scan(&salt); err != nil {
		return err
	}
	if salt != "" {
		logs.Infof("User id: %d already has its encrypted password.", adminID)
		if password != "" && c.version.hash != "sha256" {
			logs.Warningf("Admin password from config (HARBOR_ADMIN_PASSWORD) ignored: password already exists in database. Use Harbor UI or API to change.")
		}
		return nil
	}
	salt = randomString(32)
	_, err := c.database.Exec(ctx, "UPDATE harbor_user SET password = $1, salt = $2, password_version = $3 WHERE user_id = $4",
		hashed(password, salt, c.version.hash), salt, c.version.hash, adminID)
	if err == nil {
		logs.Infof("User id: %d updated its encrypted password successfully.", adminID)
	}
	return err
}
