package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// request is a request of the operator, as the API server logged it once it was answered.
type request struct {
	URI    string `json:"requestURI"`
	Verb   string `json:"verb"`
	Object struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	Status struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received metav1.MicroTime `json:"requestReceivedTimestamp"`
	Answered metav1.MicroTime `json:"stageTimestamp"`
}

var mutating = []string{"create", "update", "patch", "delete", "deletecollection"}

// write says whether the request writes; refused ones count too. A dry run does not.
func (r request) write() bool { return slices.Contains(mutating, r.Verb) && !r.dryRun() }

func (r request) dryRun() bool {
	parsed, err := url.Parse(r.URI)
	return err == nil && parsed.Query().Has("dryRun")
}

func (r request) what() string {
	what := r.Verb + " " + r.Object.Resource
	if r.Object.Subresource != "" {
		what += "/" + r.Object.Subresource
	}
	if r.Status.Code >= 400 {
		what += fmt.Sprintf(" (%d)", r.Status.Code)
	}
	return what
}

// auditLog is the API server's audit log, in which only the operator's requests are.
type auditLog struct {
	path   string
	offset int64
	// read holds what came after the last skip.
	read []request
}

// skip passes over what is in the log.
func (a *auditLog) skip() error {
	_, err := a.since()
	a.read = nil
	return err
}

// since returns the requests after the last skip. It reads only what is new, so
// that watching the log takes little from what is measured.
func (a *auditLog) since() ([]request, error) {
	file, err := os.Open(a.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(a.offset, io.SeekStart); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return a.read, nil // a line without an end is still being written
		}
		if err != nil {
			return nil, err
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", a.path, err)
		}
		a.offset, a.read = a.offset+int64(len(line)), append(a.read, r)
	}
}

// settled returns the requests once there was no further write for a while; leases
// are renewed for ever.
func (a *auditLog) settled(ctx context.Context) ([]request, error) {
	const quiet = 2 * time.Second
	var found []request
	writes, changed := -1, time.Now()
	err := lab.Eventually(ctx, time.Minute, "the operator to have nothing more to write", func(context.Context) (bool, string, error) {
		var err error
		if found, err = a.since(); err != nil {
			return false, "", err
		}
		n := 0
		for _, r := range found {
			if r.write() && r.Object.Resource != "leases" {
				n++
			}
		}
		if n != writes {
			writes, changed = n, time.Now()
		}
		return time.Since(changed) >= quiet, fmt.Sprintf("%d writes", n), nil
	})
	return found, err
}

// tally of requests.
type tally struct{ writes, dryRuns, reads int }

func count(requests []request) tally {
	var t tally
	for _, r := range requests {
		switch {
		case r.write():
			t.writes++
		case r.dryRun():
			t.dryRuns++
		default:
			t.reads++
		}
	}
	return t
}

// kinds of requests that meet a condition, the most frequent first.
func kinds(requests []request, which func(request) bool) string {
	by := map[string]int{}
	var names []string
	for _, r := range requests {
		if !which(r) {
			continue
		}
		if by[r.what()] == 0 {
			names = append(names, r.what())
		}
		by[r.what()]++
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(by[b]-by[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", by[name], name)
	}
	return strings.Join(names, ", ")
}
