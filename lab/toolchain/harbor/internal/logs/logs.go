// Package logs writes lines in the form of Harbor's own services: "time [LEVEL] [/file:line]: text".
//
// It owns the form and LOG_LEVEL. It does not own what is said.
package logs

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const module = "evenkeel/lab/toolchain/harbor"

var levels = map[string]int{"debug": 0, "info": 1, "warning": 2, "error": 3, "fatal": 4}

// threshold is info where LOG_LEVEL is unset or unknown, as in Harbor.
var threshold = func() int {
	if level, known := levels[strings.ToLower(os.Getenv("LOG_LEVEL"))]; known {
		return level
	}
	return levels["info"]
}()

func write(level, format string, values ...any) {
	if levels[level] < threshold {
		return
	}
	_, file, line, _ := runtime.Caller(2)
	_, file, _ = strings.Cut(file, module)
	text := strings.TrimRight(fmt.Sprintf(format, values...), "\n")
	fmt.Printf("%s [%s] [%s:%d]: %s\n", time.Now().UTC().Format(time.RFC3339), strings.ToUpper(level), file, line, text)
}

func Debugf(format string, values ...any)   { write("debug", format, values...) }
func Infof(format string, values ...any)    { write("info", format, values...) }
func Warningf(format string, values ...any) { write("warning", format, values...) }
func Errorf(format string, values ...any)   { write("error", format, values...) }

// Fatalf ends the process with exit code 1.
func Fatalf(format string, values ...any) {
	write("fatal", format, values...)
	os.Exit(1)
}
