// Command core is the lab's stand-in for Harbor's core, which cannot be had in the lab. It honours the real one's
// contract of environment, files, ports, endpoints and faults; the README beside this folder says how far.
package main

import (
	"context"
	"flag"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"evenkeel/lab/toolchain/harbor/internal/logs"
	"evenkeel/lab/toolchain/harbor/internal/redisclient"
)

type core struct {
	settings
	database      *pgxpool.Pool
	sessions      sessions
	registryRedis *redis.Client
	failures      failedLogins
}

func main() {
	mode := flag.String("mode", "normal", "The harbor-core container run mode, it could be normal, migrate or skip-migrate, default is normal")
	flag.Parse()
	set := environment()
	logs.Infof("this is the lab's stand-in for Harbor %s", set.version.release)
	stored, err := openRedis(set.redisURL)
	if err != nil {
		logs.Fatalf("failed to initialize cache: %v", err)
	}
	logs.Infof("key path: %s", set.secretKeyPath)
	database, err := openDatabase(set.database)
	if err != nil {
		logs.Fatalf("failed to initialize database: %v", err)
	}
	migrateAsAsked(*mode, set)
	c := &core{settings: set, database: database, sessions: sessions{stored}, failures: failedLogins{last: map[string]time.Time{}}}
	if err := c.setFirstPassword(context.Background(), set.adminPassword); err != nil {
		logs.Errorf("%v", err)
	}
	if c.registryRedis, err = redisclient.Open(set.registryRedisURL); err != nil {
		logs.Fatalf("failed to initialize redis client for registry, error: %v", err)
	}
	go endOnSignal()
	c.serve()
}

// openRedis waits a minute for the server.
func openRedis(address string) (*redis.Client, error) {
	if address == "" {
		logs.Fatalf("failed to initialize cache: cache type  not support")
	}
	client, err := redisclient.Open(address)
	if err != nil {
		return nil, err
	}
	const patience, longest = time.Minute, 10 * time.Second
	deadline, pause := time.Now().Add(patience), 500*time.Millisecond
	for {
		err := client.Ping(context.Background()).Err()
		if err == nil {
			return client, nil
		}
		if time.Now().Add(pause).After(deadline) {
			time.Sleep(time.Until(deadline))
			return nil, err
		}
		logs.Errorf("failed to ping redis, retry after %s : %v", pause, err)
		time.Sleep(pause)
		pause = min(2*pause, longest)
	}
}

func migrateAsAsked(mode string, set settings) {
	if strings.EqualFold(mode, "skip-migrate") {
		logs.Infof("skip the database migrate")
		return
	}
	if err := migrateDatabase(set.database, set.version); err != nil {
		logs.Fatalf("failed to migrate the database, error: %v", err)
	}
	if strings.EqualFold(mode, "migrate") {
		logs.Infof("the database migrate success")
		os.Exit(0)
	}
	logs.Infof("The database has been migrated successfully")
}

// endOnSignal goes on answering for three seconds, and then ends whatever is under way.
func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	logs.Infof("capture system signal %s, to close \"closing\" channel", <-signals)
	time.Sleep(3 * time.Second)
	logs.Infof("Timeout waiting goroutines to exit")
	os.Exit(0)
}

func (c *core) serve() {
	registry, err := c.newRegistryProxy()
	if err != nil {
		panic(err)
	}
	routed := c.sessions.keep(c.routes(registry))
	identified := c.identify(routed)
	handler := parseArtifact(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isPing(r) {
			routed.ServeHTTP(w, r)
			return
		}
		identified.ServeHTTP(w, r)
	}))
	logs.Infof("Version: v%s, Git commit: standin", c.version.release)
	logs.Infof("http server Running on http://:%s", c.port)
	logs.Fatalf("%v", http.ListenAndServe(":"+c.port, csrfGuard(c.csrfKey, c.externalEndpoint, handler)))
}
