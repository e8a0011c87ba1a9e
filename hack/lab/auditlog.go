package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Request of somebody, as the API server logged it once it was answered.
type Request struct {
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
	// Sent is the body, where the audit policy has it logged.
	Sent     json.RawMessage  `json:"requestObject"`
	Received metav1.MicroTime `json:"requestReceivedTimestamp"`
	Answered metav1.MicroTime `json:"stageTimestamp"`
}

var mutating = []string{"create", "update", "patch", "delete", "deletecollection"}

// Write says whether the request writes; refused ones count too. A dry run does not.
func (r Request) Write() bool { return slices.Contains(mutating, r.Verb) && !r.DryRun() }

// DryRun says whether the request changed nothing, since it was a rehearsal. A
// deletion says so in its body.
func (r Request) DryRun() bool {
	parsed, err := url.Parse(r.URI)
	if err == nil && parsed.Query().Has("dryRun") {
		return true
	}
	var options metav1.DeleteOptions
	return r.Verb == "delete" && json.Unmarshal(r.Sent, &options) == nil && len(options.DryRun) > 0
}

// What was asked, in few words.
func (r Request) What() string {
	what := r.Verb + " " + r.Object.Resource
	if r.Object.Subresource != "" {
		what += "/" + r.Object.Subresource
	}
	if r.Status.Code >= 400 {
		what += fmt.Sprintf(" (%d)", r.Status.Code)
	}
	return what
}

// AuditLog reads the API server's audit log.
type AuditLog struct {
	// Path of the file, which holds one event a line.
	Path string

	offset int64
	// read holds what came after the last skip.
	read []Request
}

// Skip passes over what is in the log.
func (a *AuditLog) Skip() error {
	_, err := a.Since()
	a.read = nil
	return err
}

// Since returns the requests after the last skip. It reads only what is new, so
// that watching the log takes little from what is measured.
func (a *AuditLog) Since() ([]Request, error) {
	file, err := os.Open(a.Path)
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
		var r Request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Path, err)
		}
		a.offset, a.read = a.offset+int64(len(line)), append(a.read, r)
	}
}
