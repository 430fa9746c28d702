package main

import (
	"net/http"
	"strings"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

// routes is the table of what the stand-in answers; everything else is refused by name.
func (c *core) routes(registry http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2.0/ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("Pong"))
	})
	mux.Handle("GET /api/v2.0/health", c.watchHealth())
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		answers.JSON(w, http.StatusOK, map[string]string{"version": "v2.0"})
	})
	mux.HandleFunc("GET /api/v2.0/systeminfo", c.systemInfo)
	mux.HandleFunc("GET /api/v2.0/users/current", c.currentUser)
	mux.HandleFunc("GET /api/v2.0/internalconfig", c.internalConfiguration)
	mux.HandleFunc("GET /service/token", c.tokenService)
	mux.HandleFunc("/service/token", func(w http.ResponseWriter, _ *http.Request) {
		abort(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	})
	mux.HandleFunc("POST /service/notifications/tasks/{task}", c.taskNotification)
	mux.HandleFunc("POST /c/login", c.portalLogin)
	mux.HandleFunc("GET /c/log_out", c.portalLogout)
	mux.HandleFunc("GET /api/v2.0/projects", c.listProjects)
	mux.HandleFunc("HEAD /api/v2.0/projects", known(c.headProject))
	mux.HandleFunc("POST /api/v2.0/projects", admins(c.createProject))
	mux.HandleFunc("GET /api/v2.0/projects/{project}", c.getProject)
	mux.HandleFunc("GET /api/v2.0/robots", admins(c.listRobots))
	mux.HandleFunc("POST /api/v2.0/robots", admins(c.createRobot))
	mux.HandleFunc("GET /api/v2.0/robots/{robot}", admins(c.getRobot))
	mux.HandleFunc("PATCH /api/v2.0/robots/{robot}", admins(c.refreshSecret))
	mux.HandleFunc("DELETE /api/v2.0/robots/{robot}", admins(c.deleteRobot))
	mux.HandleFunc("GET /api/v2.0/registries", admins(c.listRegistries))
	mux.HandleFunc("POST /api/v2.0/registries", admins(c.createRegistry))
	mux.HandleFunc("POST /api/v2.0/registries/ping", admins(c.pingRegistry))
	mux.HandleFunc("GET /api/v2.0/system/gc", admins(c.listGarbageCollections))
	mux.HandleFunc("POST /api/v2.0/system/gc/schedule", admins(c.startGarbageCollection))
	mux.Handle("/v2/", c.authorize(c.headBlob(registry)))
	mux.HandleFunc("/", answers.NotHere)
	return mux
}

// ping needs neither database nor caller, so that it answers when the database does not.
func isPing(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v2.0/ping")
}

func known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !callerOf(r).known() {
			answers.Fault(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		next(w, r)
	}
}

func admins(next http.HandlerFunc) http.HandlerFunc {
	return known(func(w http.ResponseWriter, r *http.Request) {
		if !callerOf(r).admin {
			answers.Fault(w, http.StatusForbidden, "forbidden")
			return
		}
		next(w, r)
	})
}

func (c *core) systemInfo(w http.ResponseWriter, r *http.Request) {
	info := map[string]any{
		"auth_mode": "db_auth", "primary_auth_mode": false, "self_registration": false, "banner_message": "",
	}
	if callerOf(r).known() {
		_, host, _ := strings.Cut(c.externalEndpoint, "://")
		info["external_url"] = c.externalEndpoint
		info["registry_url"] = host
		info["harbor_version"] = "v" + c.version.release + "-standin"
		info["read_only"] = false
		info["with_chartmuseum"] = false
	}
	answers.JSON(w, http.StatusOK, info)
}

func (c *core) currentUser(w http.ResponseWriter, r *http.Request) {
	caller := callerOf(r)
	if !caller.admin {
		answers.Fault(w, http.StatusUnauthorized, "unauthorized")
		return
	}
	answers.JSON(w, http.StatusOK, map[string]any{"user_id": 1, "username": caller.name, "sysadmin_flag": true})
}

// internalConfiguration is what jobservice reads at its start, and only it.
func (c *core) internalConfiguration(w http.ResponseWriter, r *http.Request) {
	switch caller := callerOf(r); {
	case caller.service:
		value := func(v any) map[string]any { return map[string]any{"value": v, "editable": false} }
		answers.JSON(w, http.StatusOK, map[string]any{
			"auth_mode": value("db_auth"), "ext_endpoint": value(c.externalEndpoint), "core_url": value(c.coreURL),
		})
	case caller.known():
		answers.Fault(w, http.StatusForbidden, "only internal service is allowed to call this API")
	default:
		answers.Fault(w, http.StatusUnauthorized, "unauthorized")
	}
}

func (c *core) portalLogin(w http.ResponseWriter, r *http.Request) {
	found, err := c.login(r.Context(), r.FormValue("principal"), r.FormValue("password"))
	if err != nil {
		logs.Errorf("Error occurred in UserLogin: %v", err)
	}
	if found == nil {
		abort(w, http.StatusUnauthorized, "")
		return
	}
	current := sessionOf(r)
	c.sessions.regenerate(w, r, current)
	current.User = found.name
}

func (c *core) portalLogout(_ http.ResponseWriter, r *http.Request) { sessionOf(r).User = "" }
