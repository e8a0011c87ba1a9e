package main

import (
	"fmt"
	"os"
	"time"
)

// showProgress says what is being done and for how long: each second on a
// terminal, every 20 seconds in a log.
func showProgress(w *os.File, title string) (done func(error)) {
	started := time.Now()
	terminal := isTerminal(w)
	interval := 20 * time.Second
	if terminal {
		interval = time.Second
	} else {
		fmt.Fprintf(w, "%s ...\n", title)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				fmt.Fprint(w, progressLine(title, time.Since(started), "", terminal))
			}
		}
	}()
	return func(err error) {
		close(stop)
		<-stopped
		outcome := " done"
		if err != nil {
			outcome = " failed"
		}
		fmt.Fprint(w, progressLine(title, time.Since(started), outcome, terminal))
		if terminal {
			fmt.Fprintln(w)
		}
	}
}

func progressLine(title string, elapsed time.Duration, outcome string, terminal bool) string {
	line := fmt.Sprintf("%s %ds%s", title, int(elapsed.Seconds()), outcome)
	if terminal {
		return "\r" + line
	}
	return line + "\n"
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
