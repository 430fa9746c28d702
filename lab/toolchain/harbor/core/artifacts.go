package main

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"evenkeel/lab/toolchain/harbor/internal/answers"
)

// artifact is what a path under /v2/ is about; the zero value where it is about none.
type artifact struct {
	repository string
	mountFrom  string // the repository of a cross-mounted blob
}

func (a artifact) projects() []string {
	var names []string
	for _, repository := range []string{a.repository, a.mountFrom} {
		if name, _, found := strings.Cut(repository, "/"); found {
			names = append(names, name)
		}
	}
	return names
}

var (
	name         = reference.NameRegexp.String()
	manifestPath = regexp.MustCompile(`^/v2/(` + name + `)/manifests/(.*)$`)
	tagListPath  = regexp.MustCompile(`^/v2/(` + name + `)/tags/list`)
	blobPath     = regexp.MustCompile(`^/v2/(` + name + `)/blobs/(` + digest.DigestRegexp.String() + `)$`)
	uploadPath   = regexp.MustCompile(`^/v2/(` + name + `)/blobs/uploads[/a-zA-Z0-9\-_\.=]*$`)
	referrerPath = regexp.MustCompile(`^/v2/(` + name + `)/referrers/(.*)$`)
	catalogPath  = regexp.MustCompile(`^/v2/_catalog(/.*)?$`)
	sessionPath  = regexp.MustCompile(`^/v2/` + name + `/blobs/uploads/([a-zA-Z0-9-_.=]+)`)
	tagOrDigest  = regexp.MustCompile(`^(` + reference.TagRegexp.String() + `|` + digest.DigestRegexp.String() + `)$`)
)

type artifactKey struct{}

func artifactOf(r *http.Request) artifact {
	found, _ := r.Context().Value(artifactKey{}).(artifact)
	return found
}

// parseArtifact refuses names without a project and impossible references, before anybody is asked who he is.
func parseArtifact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var found artifact
		for _, pattern := range []*regexp.Regexp{manifestPath, tagListPath, uploadPath, blobPath, referrerPath} {
			parts := pattern.FindStringSubmatch(r.URL.Path)
			if parts == nil {
				continue
			}
			found.repository = parts[1]
			if pattern == uploadPath {
				found.mountFrom = r.URL.Query().Get("from")
			}
			if (pattern == manifestPath || pattern == referrerPath) && !tagOrDigest.MatchString(parts[2]) {
				answers.Fault(w, http.StatusNotFound, "invalid reference format")
				return
			}
			if pattern == manifestPath && strings.Contains(parts[2], ":") && digest.Digest(parts[2]).Validate() != nil {
				answers.Fault(w, refusalOf(r.Method), "invalid digest: "+parts[2])
				return
			}
			break
		}
		for _, repository := range []string{found.repository, found.mountFrom} {
			if repository != "" && !strings.Contains(repository, "/") {
				answers.Fault(w, http.StatusBadRequest, "invalid repository name: "+repository)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), artifactKey{}, found)))
	})
}

// refusalOf an impossible digest: it can't be pushed, and there is nothing under it.
func refusalOf(method string) int {
	if method == http.MethodPut {
		return http.StatusBadRequest
	}
	return http.StatusNotFound
}
