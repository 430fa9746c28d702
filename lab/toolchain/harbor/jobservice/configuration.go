package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

type configuration struct {
	Protocol string `yaml:"protocol"`
	Port     uint   `yaml:"port"`
	Pool     *struct {
		Workers uint   `yaml:"workers"`
		Backend string `yaml:"backend"`
		Redis   *struct {
			URL       string `yaml:"redis_url"`
			Namespace string `yaml:"namespace"`
		} `yaml:"redis_pool"`
	} `yaml:"worker_pool"`
	JobLoggers []logger `yaml:"job_loggers"`
	Loggers    []logger `yaml:"loggers"`
}

type logger struct {
	Name  string `yaml:"name"`
	Level string `yaml:"level"`
}

// load reads and checks the file as the real one does.
func load(path string) (configuration, error) {
	var set configuration
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &set)
	}
	if err == nil {
		err = set.check()
	}
	if err == nil && !strings.Contains(set.Pool.Redis.URL, "://") {
		set.Pool.Redis.URL = "redis://" + set.Pool.Redis.URL
	}
	return set, err
}

func (set configuration) check() error {
	switch {
	case set.Protocol != "http":
		return fmt.Errorf("this is the lab's stand-in for Harbor, and it has no protocol %q", set.Protocol)
	case set.Port == 0 || set.Port > 65535:
		return fmt.Errorf("port number should be a none zero integer and less or equal 65535, but current is %d", set.Port)
	case set.Pool == nil:
		return errors.New("no worker worker is configured")
	case set.Pool.Backend != "redis":
		return fmt.Errorf("worker worker backend %s does not support", set.Pool.Backend)
	case set.Pool.Redis == nil:
		return errors.New("redis worker must be configured when backend is set to 'redis'")
	case set.Pool.Redis.URL == "":
		return errors.New("URL of redis worker is empty")
	case set.Pool.Redis.Namespace == "":
		return errors.New("namespace of redis worker is required")
	case len(set.Loggers) == 0:
		return errors.New("missing logger config of job service")
	case len(set.JobLoggers) == 0:
		return errors.New("missing logger config of job")
	}
	return nil
}
