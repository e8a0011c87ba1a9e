package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// forward sends what the API server appends to its audit log, as its webhook would.
func (p *play) forward(ctx context.Context) {
	if err := p.tail(ctx); err != nil && ctx.Err() == nil {
		p.say("forward %s: %v", p.auditLog, err)
	}
}

func (p *play) tail(ctx context.Context) error {
	file, err := os.Open(p.auditLog)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	reader := bufio.NewReader(file)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var partial string
	for {
		var events []string
		for {
			line, err := reader.ReadString('\n')
			partial += line
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			events, partial = append(events, partial), ""
		}
		if len(events) > 0 {
			body := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + strings.Join(events, ",") + `]}`
			if err := p.post(ctx, p.url("audit"), p.auditToken, body); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
