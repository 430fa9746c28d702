// Command jobservice is the lab's stand-in for Harbor's jobservice. It starts as the real one does (core's
// configuration by the shared secret, then its own file, then Redis), and of jobs it knows garbage collection, as a
// walk along the way that the real one's calls go: it collects nothing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"evenkeel/lab/toolchain/harbor/internal/answers"
	"evenkeel/lab/toolchain/harbor/internal/logs"
	"evenkeel/lab/toolchain/harbor/internal/redisclient"
)

func main() {
	if err := readCore(os.Getenv("CORE_URL"), os.Getenv("JOBSERVICE_SECRET")); err != nil {
		panic(fmt.Sprintf("failed to load configuration, error: %v", err))
	}
	path := flag.String("c", "", "Specify the yaml config file path")
	flag.Parse()
	if *path == "" {
		flag.Usage()
		panic("no config file is specified")
	}
	set, err := load(*path)
	if err != nil {
		panic(fmt.Sprintf("load configurations error: %s\n", err))
	}
	pool, err := openRedis(set.Pool.Redis.URL)
	if err != nil {
		logs.Fatalf("load and run worker error: connect to redis server timeout: %v", err)
	}
	serve(set, &jobs{
		coreSecret: os.Getenv("CORE_SECRET"), secret: os.Getenv("JOBSERVICE_SECRET"),
		registryctl: os.Getenv("REGISTRY_CONTROLLER_URL"), redis: pool, namespace: set.Pool.Redis.Namespace,
	})
}

// readCore is why jobservice needs a core that is up and has the same JOBSERVICE_SECRET.
func readCore(url, secret string) error {
	url += "/api/v2.0/internalconfig"
	logs.Infof("get configuration from url: %s", url)
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Harbor-Secret "+secret)
	response, err := http.DefaultClient.Do(request)
	var found map[string]any
	if err == nil {
		defer response.Body.Close()
		err = json.NewDecoder(response.Body).Decode(&found)
		if response.StatusCode != http.StatusOK {
			err = fmt.Errorf("http error: code %d, message %v", response.StatusCode, found)
		}
	}
	if err != nil {
		logs.Errorf("Failed on load rest config err:%v, url:%v", err, url)
		return errors.New("failed to load rest config")
	}
	return nil
}

func openRedis(url string) (*redis.Client, error) {
	client, err := redisclient.Open(url)
	if err != nil {
		return nil, err
	}
	const tries = 10
	for n := 1; ; n++ {
		err := client.Ping(context.Background()).Err()
		if err == nil || n == tries {
			return client, err
		}
		time.Sleep(time.Duration(n) * time.Second)
	}
}

func serve(set configuration, work *jobs) {
	mux := http.NewServeMux()
	started := time.Now().Unix()
	mux.HandleFunc("GET /api/v1/stats", func(w http.ResponseWriter, _ *http.Request) {
		answers.JSON(w, http.StatusOK, map[string]any{"worker_pools": []map[string]any{{
			"worker_pool_id": "standin", "started_at": started, "heartbeat_at": time.Now().Unix(),
			"job_names": []string{garbageCollection}, "concurrency": set.Pool.Workers, "status": "Healthy",
		}}})
	})
	mux.HandleFunc("POST /api/v1/jobs", work.guard(work.launch))
	mux.HandleFunc("GET /api/v1/jobs/{job}", work.guard(work.get))
	mux.HandleFunc("/", work.guard(answers.NotHere))
	server := &http.Server{Addr: fmt.Sprintf(":%d", set.Port), Handler: mux}
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		<-signals
		bounded, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		server.Shutdown(bounded)
	}()
	logs.Infof("API server is serving at %d with [%s] mode", set.Port, set.Protocol)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		logs.Fatalf("%v", err)
	}
}
