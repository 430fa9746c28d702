// Command load sends a bounded, steady load of reads and writes to a Kubernetes API and reports every failure.
//
// Two kinds of clients, side by side: "fresh" opens a new TCP and TLS connection for each request and retries nothing;
// "kept" is client-go itself over kept-alive HTTP/2, which heeds GOAWAY and Retry-After. Reads and writes alternate:
// a write patches a counter in a ConfigMap of the client's own, and must be what the next read shows.
//
// It ends after -duration or on SIGTERM, and prints one JSON object a kind on standard output.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const namespace = "default"

// apart is how long no request of a kind must have failed for the next failure to be another interruption.
const apart = 5 * time.Second

// report is what one kind of client saw. Seconds are wall-clock; gap is the longest time in which one client, whoever
// else had success meanwhile, had none.
type report struct {
	Kind          string    `json:"kind"`
	Requests      int       `json:"requests"`
	Failures      int       `json:"failures"`
	Interruptions int       `json:"interruptions"`
	Lost          int       `json:"lost_writes"`
	Gap           float64   `json:"longest_gap_seconds"`
	Errors        []string  `json:"errors"`
	Millis        []float64 `json:"milliseconds"`
	failed        time.Time
	mutex         sync.Mutex
}

func (r *report) add(started time.Time, what string, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Requests++
	now := time.Now()
	if err != nil {
		r.Failures++
		if now.Sub(r.failed) > apart {
			r.Interruptions++
		}
		r.failed = now
		if len(r.Errors) < 20 {
			r.Errors = append(r.Errors, fmt.Sprintf("%s %s: %v", now.Format("15:04:05.000"), what, err))
		}
		return
	}
	r.Millis = append(r.Millis, float64(now.Sub(started).Microseconds())/1000)
}

// silence is told how long a client had no success.
func (r *report) silence(gap time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.Gap = max(r.Gap, gap.Seconds())
}

// client reads and writes its own ConfigMap.
type client interface {
	read(ctx context.Context) (string, error)
	write(ctx context.Context, count string) error
}

type kept struct {
	api  kubernetes.Interface
	name string
}

func (k kept) read(ctx context.Context) (string, error) {
	found, err := k.api.CoreV1().ConfigMaps(namespace).Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return found.Data["count"], nil
}

func (k kept) write(ctx context.Context, count string) error {
	_, err := k.api.CoreV1().ConfigMaps(namespace).Patch(ctx, k.name, types.MergePatchType, patch(count), metav1.PatchOptions{})
	return err
}

func patch(count string) []byte {
	return []byte(fmt.Sprintf(`{"data":{"count":%q}}`, count))
}

type fresh struct {
	http *http.Client
	url  string
}

func (f fresh) do(ctx context.Context, method, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, f.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := f.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("HTTP %d: %.200s", response.StatusCode, text)
	}
	return text, err
}

func (f fresh) read(ctx context.Context) (string, error) {
	text, err := f.do(ctx, http.MethodGet, "")
	if err != nil {
		return "", err
	}
	var found corev1.ConfigMap
	err = json.Unmarshal(text, &found)
	return found.Data["count"], err
}

func (f fresh) write(ctx context.Context, count string) error {
	_, err := f.do(ctx, http.MethodPatch, string(patch(count)))
	return err
}

// drive alternates writes and reads until ctx ends, each request bounded by timeout.
func drive(ctx context.Context, c client, r *report, every, timeout time.Duration) {
	acknowledged, success := 0, time.Now()
	defer func() { r.silence(time.Since(success)) }()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for count := 1; ; count++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		started := time.Now()
		bounded, cancel := context.WithTimeout(context.Background(), timeout)
		var err error
		if count%2 == 1 {
			err = c.write(bounded, fmt.Sprint(count))
			r.add(started, "write", err)
			if err == nil {
				acknowledged = count
			}
		} else {
			var seen string
			seen, err = c.read(bounded)
			r.add(started, "read", err)
			var value int
			fmt.Sscan(seen, &value)
			if err == nil && value < acknowledged {
				r.mutex.Lock()
				r.Lost++
				r.mutex.Unlock()
			}
		}
		cancel()
		if err == nil {
			r.silence(time.Since(success))
			success = time.Now()
		}
	}
}

func create(ctx context.Context, api kubernetes.Interface, name string) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"count": "0"}}
	_, err := api.CoreV1().ConfigMaps(namespace).Create(ctx, object, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = api.CoreV1().ConfigMaps(namespace).Update(ctx, object, metav1.UpdateOptions{})
	}
	return err
}

func freshClient(config *rest.Config, name string) (client, error) {
	trust, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	trust.NextProtos = []string{"http/1.1"}
	transport := &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	url := config.Host + "/api/v1/namespaces/" + namespace + "/configmaps/" + name
	return fresh{&http.Client{Transport: transport}, url}, nil
}

func keptClient(config *rest.Config, name string) (client, error) {
	own := rest.CopyConfig(config)
	own.QPS = -1
	// A connection of its own for each client: client-go shares one among equal configurations.
	own.UserAgent = name
	own.Proxy = http.ProxyFromEnvironment
	api, err := kubernetes.NewForConfig(own)
	return kept{api, name}, err
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	server := flag.String("server", "", "https URL in place of the kubeconfig's server")
	clients := flag.Int("clients", 3, "clients of each kind")
	every := flag.Duration("every", 100*time.Millisecond, "time between a client's requests")
	timeout := flag.Duration("timeout", 10*time.Second, "bound of one request")
	duration := flag.Duration("duration", 10*time.Minute, "when to end at the latest")
	flag.Parse()
	overrides := &clientcmd.ConfigOverrides{}
	overrides.ClusterInfo.Server = *server
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: *kubeconfig}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	exitOn(err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	kinds := map[string]func(*rest.Config, string) (client, error){"fresh": freshClient, "kept": keptClient}
	reports := map[string]*report{}
	var running sync.WaitGroup
	api, err := kubernetes.NewForConfig(config)
	exitOn(err)
	for kind, build := range kinds {
		r := &report{Kind: kind, Errors: []string{}}
		reports[kind] = r
		for number := range *clients {
			name := fmt.Sprintf("load-%s-%d", kind, number)
			exitOn(create(ctx, api, name))
			c, err := build(config, name)
			exitOn(err)
			running.Go(func() { drive(ctx, c, r, *every, *timeout) })
		}
	}
	fmt.Fprintln(os.Stderr, "load: running")
	running.Wait()
	exitOn(json.NewEncoder(os.Stdout).Encode(reports))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}
