// Command registryctl is the lab's stand-in for Harbor's registryctl: it reads both configurations as the real one
// does, and deletes a blob from the registry's file system for whoever has the jobservice's secret.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/opencontainers/go-digest"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
)

type configuration struct {
	Protocol       string `yaml:"protocol"`
	Port           string `yaml:"port"`
	LogLevel       string `yaml:"log_level"`
	RegistryConfig string `yaml:"registry_config"`
}

func main() {
	path := flag.String("c", "", "Specify registryCtl configuration file path")
	flag.Parse()
	if *path == "" {
		flag.Usage()
		logs.Fatalf("Config file should be specified")
	}
	set, root, err := load(*path)
	if err != nil {
		logs.Fatalf("Failed to load configurations with error: %s", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) { answers.JSON(w, http.StatusOK, "healthy") })
	mux.HandleFunc("DELETE /api/registry/blob/{reference}", withSecret(deleteBlob(root)))
	mux.HandleFunc("/", withSecret(answers.NotHere))
	server := &http.Server{Addr: ":" + set.Port, Handler: mux}
	ended := make(chan struct{})
	go endOnSignal(server, ended)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		logs.Fatalf("%v", err)
	}
	<-ended
}

func endOnSignal(server *http.Server, ended chan<- struct{}) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	defer close(ended)
	logs.Infof("Got an interrupt, shutting down...")
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		logs.Fatalf("Failed to shutdown registry controller: %v", err)
	}
	logs.Infof("Registry controller is shut down properly")
}

// load also gives the root folder of the registry's file system, empty for other storage.
func load(path string) (configuration, string, error) {
	var set configuration
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &set)
	}
	if err != nil {
		return set, "", err
	}
	if set.Protocol != "http" {
		return set, "", fmt.Errorf("this is the lab's stand-in for Harbor, and it has no protocol %q", set.Protocol)
	}
	if text, err = os.ReadFile(set.RegistryConfig); err != nil {
		return set, "", err
	}
	var registry struct {
		Version string                    `yaml:"version"`
		Storage map[string]map[string]any `yaml:"storage"`
	}
	if err := yaml.Unmarshal(text, &registry); err != nil {
		return set, "", fmt.Errorf("error parsing registry configuration %s: %v", set.RegistryConfig, err)
	}
	for _, aside := range []string{"cache", "maintenance", "delete", "redirect", "readonly"} {
		delete(registry.Storage, aside)
	}
	if registry.Version == "" || len(registry.Storage) != 1 {
		return set, "", fmt.Errorf("error parsing registry configuration %s: it has to have a version and one storage", set.RegistryConfig)
	}
	root, _ := registry.Storage["filesystem"]["rootdirectory"].(string)
	return set, root, nil
}

func withSecret(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !answers.BearsSecret(r, os.Getenv("JOBSERVICE_SECRET")) {
			logs.Errorf("failed to authenticate request: invalid authorization credential")
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

var sha256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

func deleteBlob(root string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		algorithm, hex, _ := strings.Cut(r.PathValue("reference"), ":")
		if root == "" || algorithm != string(digest.SHA256) || !sha256.MatchString(hex) {
			answers.NotHere(w, r)
			return
		}
		folder := filepath.Join(root, "docker/registry/v2/blobs/sha256", hex[:2], hex)
		if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
			return
		}
		if err := os.RemoveAll(folder); err != nil {
			logs.Infof("failed to remove blob: %s, with error:%v", r.PathValue("reference"), err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}
}
