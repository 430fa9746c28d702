package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5/pgxpool"

	"evenkeel/lab/toolchain/harbor/internal/logs"
)

//go:embed migrations
var migrations embed.FS

// released hides the migrations that came after a release.
type released struct {
	embed.FS
	newest string
}

func (r released) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := r.FS.ReadDir(name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name()[:len(r.newest)] > r.newest }), err
}

func (s databaseSettings) url(scheme string) string {
	u := url.URL{
		Scheme:   scheme,
		User:     url.UserPassword(s.user, s.password),
		Host:     net.JoinHostPort(s.host, s.port),
		Path:     s.name,
		RawQuery: "sslmode=" + s.sslMode,
	}
	return u.String()
}

// openDatabase waits a minute for the server to accept connections.
func openDatabase(s databaseSettings) (*pgxpool.Pool, error) {
	const patience, interval = 60 * time.Second, 2 * time.Second
	address, deadline := net.JoinHostPort(s.host, s.port), time.Now().Add(patience)
	for n := 1; ; n *= 2 {
		connection, err := net.DialTimeout("tcp", address, min(time.Duration(n)*time.Second, time.Until(deadline)))
		if err == nil {
			connection.Close()
			return s.pool()
		}
		logs.Errorf("failed to connect to tcp://%s, retry after %d seconds :%v", address, interval/time.Second, err)
		if time.Until(deadline) < interval {
			time.Sleep(time.Until(deadline))
			return nil, fmt.Errorf("failed to connect to tcp:%s after %d seconds", address, patience/time.Second)
		}
		time.Sleep(interval)
	}
}

func (s databaseSettings) pool() (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.url("postgres"))
	if err != nil {
		return nil, err
	}
	config.MaxConns = s.connections
	return pgxpool.NewWithConfig(context.Background(), config)
}

// migrateDatabase brings the schema to the release's version, under golang-migrate's own advisory lock; a schema that
// an interrupted migration left dirty, or that is newer than the release, is an error.
func migrateDatabase(s databaseSettings, v version) error {
	source, err := iofs.New(released{migrations, v.migration}, "migrations")
	if err != nil {
		return err
	}
	migrator, err := migrate.NewWithSourceInstance("iofs", source, s.url("pgx5"))
	if err != nil {
		return err
	}
	defer migrator.Close()
	if _, _, err := migrator.Version(); err != nil && !errors.Is(err, migrate.ErrNilVersion) {
		return err
	}
	logs.Infof("Upgrading schema for pgsql ...")
	err = migrator.Up()
	if errors.Is(err, migrate.ErrNoChange) {
		logs.Infof("No change in schema, skip.")
		return nil
	}
	if err != nil {
		logs.Errorf("Failed to upgrade schema, error: %q", err)
	}
	return err
}
