// Package auditevent reads events of the Kubernetes API server's audit log
// (audit.k8s.io v1 and v1beta1) as decoded JSON. It trusts no field to be
// there or to have its type.
package auditevent

import (
	"slices"
	"strings"
	"time"
)

// Event is what every reader of an audit event asks for first. What is missing is empty.
type Event struct {
	ID, Stage, Level, Verb, URI, UserAgent string

	// User is who was authenticated; Impersonated is who the request was made as, if anybody else.
	User, Impersonated Identity
	// Object of the request; empty for non-resource requests.
	Object Object
	// Code of the response; 0 if there is none.
	Code int
	// Address that connected, as the API server saw it.
	Address string
	// Forwarded are addresses that the client claims in headers; it can write anything there.
	Forwarded []string
	// DryRun requests change nothing.
	DryRun bool
	// Time when the request arrived; zero if the event does not say.
	Time time.Time
}

// Object is what a request is about.
type Object struct {
	APIGroup, Resource, Subresource, Namespace, Name string
}

// Path is the resource in plural, with the subresource if there is one, such as pods/exec.
func (o Object) Path() string {
	if o.Subresource == "" {
		return o.Resource
	}
	return o.Resource + "/" + o.Subresource
}

// Read reads an event without changing or keeping it.
func Read(raw map[string]any) Event {
	e := Event{
		ID: text(raw, "auditID"), Stage: text(raw, "stage"), Level: text(raw, "level"), Verb: text(raw, "verb"),
		URI: text(raw, "requestURI"), UserAgent: text(raw, "userAgent"),
		User:         identity(object(raw, "user")),
		Impersonated: identity(object(raw, "impersonatedUser")),
		Object:       target(raw),
		Code:         number(object(raw, "responseStatus"), "code"),
		Time:         received(raw),
	}
	if addresses := texts(raw, "sourceIPs"); len(addresses) > 0 {
		last := len(addresses) - 1
		e.Address, e.Forwarded = addresses[last], addresses[:last]
	}
	e.DryRun = dryRun(e, raw)
	return e
}

// Answered says whether the API server has answered: the request is over, or it is
// a session or watch that has begun. Waiting for the end of a session would let an
// intruder's shell go unseen for as long as it is open.
func (e Event) Answered() bool {
	return e.Stage == "ResponseComplete" || e.Stage == "ResponseStarted" || e.Stage == "Panic"
}

// Refused says whether the API server did not do what was asked.
func (e Event) Refused() bool { return e.Code >= 400 }

// Actor is the name of the user who was authenticated.
func (e Event) Actor() string { return e.User.Name }

// objectVerbs are the verbs for which the API server honours dryRun.
var objectVerbs = []string{"create", "update", "patch", "delete", "deletecollection"}

// storedSubresources are written to storage, where dryRun is honoured. Others, such
// as exec, act whatever dryRun says.
var storedSubresources = []string{"", "status", "scale", "ephemeralcontainers"}

func dryRun(e Event, raw map[string]any) bool {
	if !slices.Contains(objectVerbs, e.Verb) || !slices.Contains(storedSubresources, e.Object.Subresource) {
		return false
	}
	if !strings.HasPrefix(e.Verb, "delete") {
		return asksDryRun(e.URI)
	}
	// A deletion with a body goes by the body alone, and an event need not show whether there was one.
	options := object(raw, "requestObject")
	return text(options, "kind") == "DeleteOptions" && slices.Contains(texts(options, "dryRun"), "All")
}

// target reads objectRef. Objects that the API server names itself have their name in the response.
func target(raw map[string]any) Object {
	ref := object(raw, "objectRef")
	o := Object{
		APIGroup: text(ref, "apiGroup"), Resource: text(ref, "resource"), Subresource: text(ref, "subresource"),
		Namespace: text(ref, "namespace"), Name: text(ref, "name"),
	}
	if o.Name == "" && o.Subresource == "" && text(raw, "verb") == "create" {
		o.Name = createdName(raw)
	}
	return o
}

func createdName(raw map[string]any) string {
	for _, field := range []string{"responseObject", "requestObject"} {
		body := object(raw, field)
		if text(body, "kind") == "Status" {
			continue
		}
		if name := text(object(body, "metadata"), "name"); name != "" {
			return name
		}
	}
	return ""
}

// received is when the request arrived. Old v1beta1 events have only "timestamp".
func received(raw map[string]any) time.Time {
	for _, field := range []string{"requestReceivedTimestamp", "stageTimestamp", "timestamp"} {
		if t, err := time.Parse(time.RFC3339Nano, text(raw, field)); err == nil {
			return t
		}
	}
	return time.Time{}
}
