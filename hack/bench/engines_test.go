package main

import (
	"encoding/json"
	"testing"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// What is measured must be what ships: every question has its answer in traffic.json.
func TestTraffic(t *testing.T) {
	var s sample
	if err := json.Unmarshal(traffic, &s); err != nil {
		t.Fatal(err)
	}
	b := &bench{lab: &lab.Lab{Root: "../.."}, figures: newFigures()}
	alert, err := b.detection(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.verdict(s, alert); err != nil {
		t.Error(err)
	}
}
