// Package redisclient opens the Redis that one of Harbor's URLs names, a single server's or a Sentinel's:
// redis://user:password@host:port/db, redis+sentinel://user:password@host:port,host:port/master/db, and with TLS rediss.
package redisclient

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Open parses address; an empty one is Harbor's default of a Redis on this very host.
func Open(address string) (*redis.Client, error) {
	if address == "" {
		address = "redis://localhost:6379/0"
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	query := parsed.Query()
	if seconds := query.Get("idle_timeout_seconds"); seconds != "" { // Harbor's own word for it
		query.Del("idle_timeout_seconds")
		query.Set("idle_timeout", seconds)
		parsed.RawQuery = query.Encode()
	}
	switch parsed.Scheme {
	case "redis", "rediss":
		options, err := redis.ParseURL(parsed.String())
		if err != nil {
			return nil, err
		}
		return redis.NewClient(options), nil
	case "redis+sentinel", "rediss+sentinel":
		return sentinel(parsed)
	}
	return nil, fmt.Errorf("cache type %s not support", parsed.Scheme)
}

func sentinel(parsed *url.URL) (*redis.Client, error) {
	path := strings.Split(strings.Trim(parsed.Path, "/"), "/")
	if path[0] == "" || len(path) > 2 {
		return nil, fmt.Errorf("redis: invalid redis URL path: %s", parsed.Path)
	}
	options := &redis.FailoverOptions{SentinelAddrs: strings.Split(parsed.Host, ","), MasterName: path[0]}
	if len(path) == 2 {
		number, err := strconv.Atoi(path[1])
		if err != nil {
			return nil, fmt.Errorf("redis: invalid database number: %q", path[1])
		}
		options.DB = number
	}
	options.Username = parsed.User.Username()
	options.Password, _ = parsed.User.Password()
	if parsed.Scheme == "rediss+sentinel" {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return redis.NewFailoverClient(options), nil
}
