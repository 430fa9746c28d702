package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"

	"evenkeel/lab/toolchain/harbor/internal/logs"
)

// settings are core's environment, with the defaults of Harbor's own list. Where there is none, unset is empty, and
// what needs the value fails when it needs it: as in Harbor, core does not check its environment at its start.
type settings struct {
	version                                        version
	redisURL, registryRedisURL                     string
	database                                       databaseSettings
	tokenKeyPath, secretKeyPath                    string
	coreSecret, jobserviceSecret, csrfKey          string
	registryURL, registryUser, registryPassword    string
	coreURL, jobserviceURL, portalURL, registryctl string
	externalEndpoint, adminPassword                string
	port                                           string
}

type databaseSettings struct {
	host, port, user, password, name, sslMode string
	connections                               int32
}

// notHere are features of Harbor that the stand-in does not have: switched on, they are refused.
var notHere = []string{"INTERNAL_TLS_ENABLED", "METRIC_ENABLE", "TRACE_ENABLED", "CACHE_ENABLED", "CONFIG_OVERWRITE_JSON"}

func environment() settings {
	for _, name := range notHere {
		if strings.EqualFold(os.Getenv(name), "true") || (name == "CONFIG_OVERWRITE_JSON" && os.Getenv(name) != "") {
			logs.Fatalf("this is the lab's stand-in for Harbor, and it has no %s", name)
		}
	}
	return settings{
		version:          theVersion(os.Getenv("HARBOR_STANDIN_VERSION")),
		redisURL:         os.Getenv("_REDIS_URL_CORE"),
		registryRedisURL: os.Getenv("_REDIS_URL_REG"),
		database: databaseSettings{
			host:     or("POSTGRESQL_HOST", "postgresql"),
			port:     or("POSTGRESQL_PORT", "5432"),
			user:     or("POSTGRESQL_USERNAME", "postgres"),
			password: or("POSTGRESQL_PASSWORD", "root123"),
			name:     or("POSTGRESQL_DATABASE", "registry"),
			sslMode:  or("POSTGRESQL_SSLMODE", "disable"),

			connections: connections(os.Getenv("POSTGRESQL_MAX_OPEN_CONNS")),
		},
		tokenKeyPath:     or("TOKEN_PRIVATE_KEY_PATH", "/etc/core/private_key.pem"),
		secretKeyPath:    or("KEY_PATH", "/etc/core/key"),
		coreSecret:       os.Getenv("CORE_SECRET"),
		jobserviceSecret: os.Getenv("JOBSERVICE_SECRET"),
		csrfKey:          os.Getenv("CSRF_KEY"),
		registryURL:      or("REGISTRY_URL", "http://registry:5000"),
		registryUser:     os.Getenv("REGISTRY_CREDENTIAL_USERNAME"),
		registryPassword: os.Getenv("REGISTRY_CREDENTIAL_PASSWORD"),
		coreURL:          strings.TrimSuffix(or("CORE_URL", "http://core:8080"), "/"),
		jobserviceURL:    os.Getenv("JOBSERVICE_URL"),
		portalURL:        or("PORTAL_URL", "http://portal"),
		registryctl:      or("REGISTRY_CONTROLLER_URL", "http://registryctl:8080"),
		externalEndpoint: or("EXT_ENDPOINT", "https://host01.com"),
		adminPassword:    os.Getenv("HARBOR_ADMIN_PASSWORD"),
		port:             httpPort(os.Getenv("CONFIG_PATH")),
	}
}

// connections is the most that core opens; Harbor's own 0 is no limit, which a pool cannot have.
func connections(configured string) int32 {
	const many = 1000
	if number, err := strconv.ParseInt(configured, 10, 32); err == nil && number > 0 {
		return int32(number)
	}
	return many
}

func or(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

var portLine = regexp.MustCompile(`(?m)^\s*httpport\s*=\s*(\d+)\s*$`)

// httpPort reads app.conf. Without the file Harbor says so and serves on 8080 all the same.
func httpPort(path string) string {
	const usual = "8080"
	if path == "" {
		return usual
	}
	logs.Infof("Config path: %s", path)
	text, err := os.ReadFile(path)
	if err != nil {
		logs.Errorf("failed to load app config: %v", err)
		return usual
	}
	if found := portLine.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return usual
}

// version is the release of Harbor that the stand-in stands for: baked into the image, one binary for all.
type version struct {
	release   string // "2.15.2"
	migration string // the newest migration of that release
	hash      string // how new passwords are hashed
}

// theVersion ends the process where the version is none that the stand-in knows.
func theVersion(release string) version {
	minor := ""
	if parts := strings.SplitN(release, ".", 3); len(parts) == 3 && parts[0] == "2" {
		minor = parts[1]
	}
	switch number, _ := strconv.Atoi(minor); number {
	case 14:
		return version{release, "0171", "sha256"}
	case 15:
		return version{release, "0180", "pbkdf2_sha256"}
	}
	logs.Fatalf("HARBOR_STANDIN_VERSION is %q: the stand-in knows 2.14.x and 2.15.x", release)
	return version{}
}
