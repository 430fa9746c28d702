package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

// newRegistryProxy passes requests on to the registry with core's own credential in place of the caller's. Bodies
// stream; the registry makes its Location headers from the client's Host and X-Forwarded-Proto.
func (c *core) newRegistryProxy() (http.Handler, error) {
	target, err := url.Parse(c.registryURL)
	if err != nil {
		return nil, fmt.Errorf("failed to parse the URL of registry: %v", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	direct := proxy.Director
	proxy.Director = func(r *http.Request) {
		direct(r)
		r.SetBasicAuth(c.registryUser, c.registryPassword)
	}
	proxy.ModifyResponse = c.afterRegistry
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		if _, ours := err.(bookkeepingError); ours {
			answers.Fault(w, http.StatusInternalServerError, err.Error())
			return
		}
		fmt.Printf("http: proxy error: %v\n", err)
		w.WriteHeader(http.StatusBadGateway)
	}
	return proxy, nil
}

// bookkeepingError turns the registry's success into a 500.
type bookkeepingError struct{ error }

// afterRegistry keeps Harbor's books of blobs. How much of an upload has arrived lies in Redis (_REDIS_URL_REG),
// because the next part may come through another node.
func (c *core) afterRegistry(response *http.Response) error {
	r := response.Request
	parts := sessionPath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return nil
	}
	key := "upload:" + parts[1] + ":size"
	var err error
	switch {
	case r.Method == http.MethodPatch && response.StatusCode == http.StatusAccepted:
		err = c.acceptedSize(response, key)
	case r.Method == http.MethodPut && response.StatusCode == http.StatusCreated:
		err = c.addBlob(response, key)
	}
	if err != nil {
		response.Body.Close()
		return bookkeepingError{err}
	}
	return nil
}

func (c *core) acceptedSize(response *http.Response, key string) error {
	_, last, found := strings.Cut(response.Header.Get("Range"), "-")
	if !found {
		return fmt.Errorf("range header bad value: %s", response.Header.Get("Range"))
	}
	size, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return err
	}
	if size > 0 {
		size++ // the registry names the last byte
	}
	return c.registryRedis.Set(response.Request.Context(), key, size, sessionLifetime).Err()
}

func (c *core) addBlob(response *http.Response, key string) error {
	ctx := response.Request.Context()
	size, err := strconv.ParseInt(response.Request.Header.Get("Content-Length"), 10, 64)
	if err != nil || size == 0 {
		size, err = c.registryRedis.Get(ctx, key).Int64()
		if err != nil && !errors.Is(err, redis.Nil) { // no part came before: the blob is empty
			return fmt.Errorf("get blob size failed, error: %v", err)
		}
	}
	_, err = c.database.Exec(ctx, "INSERT INTO blob (digest, size) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		response.Header.Get("Docker-Content-Digest"), size)
	return err
}

// headBlob finds no blob that is not in the database, whatever the registry has: clients then push it again.
func (c *core) headBlob(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := blobPath.FindStringSubmatch(r.URL.Path)
		if r.Method != http.MethodHead || parts == nil {
			next.ServeHTTP(w, r)
			return
		}
		var size int64
		err := c.database.QueryRow(r.Context(), "SELECT size FROM blob WHERE digest = $1", parts[2]).Scan(&size)
		switch {
		case noRows(err):
			answers.Fault(w, http.StatusNotFound, "blob "+parts[2]+" not found")
		case err != nil:
			answers.Fault(w, http.StatusInternalServerError, err.Error())
		default:
			next.ServeHTTP(w, r)
		}
	})
}
