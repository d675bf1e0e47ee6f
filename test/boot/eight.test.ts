import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

const names = Array.from({ length: 8 }, (_, index) => `box-${index + 1}`);
const rounds = 9;

let host: Host;
let image: TestImage;
beforeAll(async () => {
  image = await buildImage({
    layers: [base(ends)],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"] },
  });
  host = await bootHost({ box: image });
  for (const name of names) await host.install("box", "--name", name);
});
afterAll(async () => {
  await host?.machine.stop();
  await image?.remove();
});

/**
 * Milliseconds that each of the two takes in turn, one round a line; the same trees, the same config.json but for its cgroup.
 */
const measure = `
set -e
trap 'tail -n 3 /tmp/bare/*/said >&2' ERR
names="${names.join(" ")}"
now() { date +%s%3N; }
for name in $names; do
  mkdir -p /tmp/bare/$name
  here=$(readlink -f /var/lib/keelson/deployments/$name/current)
  sed 's|"cgroupsPath": "container"|"cgroupsPath": "/bare/'$name'"|; s|"path": "rootfs"|"path": "'$here'/rootfs"|' \
    $here/config.json >/tmp/bare/$name/config.json
done
for round in $(seq ${rounds}); do
  begun=$(now)
  systemctl start $names
  up=$(now)
  systemctl is-active --quiet $names
  systemctl stop $names
  systemctl reset-failed $names
  bare=$(now)
  for name in $names; do runc run -d --bundle /tmp/bare/$name bare-$name </dev/null >/dev/null 2>/tmp/bare/$name/said & pids="$pids $!"; done
  for pid in $pids; do wait $pid; done
  end=$(now)
  pids=
  for name in $names; do runc delete -f bare-$name; done
  one=$(now)
  systemctl start box-1
  oneup=$(now)
  systemctl stop box-1
  systemctl reset-failed box-1
  onebare=$(now)
  runc run -d --bundle /tmp/bare/box-1 bare-box-1 </dev/null >/dev/null
  oneend=$(now)
  runc delete -f bare-box-1
  podman=$(now)
  podman --runtime runc run -d --name engine --read-only --pids-limit 0 --ulimit host --network host --rootfs $here/rootfs /bin/busybox sh /run.sh >/dev/null
  podmanend=$(now)
  podman rm -f -t 0 engine >/dev/null
  echo $((up - begun)) $((end - bare)) $((oneup - one)) $((oneend - onebare)) $((podmanend - podman))
done`;

/** The ratios of two columns round by round, the least first. */
function ratiosOf(rows: readonly (readonly number[])[], of: number, to: number): readonly number[] {
  return rows.map((row) => (row[of] ?? Number.NaN) / (row[to] ?? Number.NaN)).sort((a, b) => a - b);
}

const median = (ratios: readonly number[]): number => ratios[Math.floor(ratios.length / 2)] ?? Number.NaN;

// What else the machine does at the time is in all, but not in equal parts: the medians are told, and the best third of the
// rounds has to be as promised.
it("starting a container, or eight at once, takes at most twice as long as bare runs of the runtime", {
  retry: 2,
}, async () => {
  const argv = ["systemd-run", "--quiet", "--wait", "--pipe", "bash", "/tmp/measure.sh"];
  await host.put("/tmp/measure.sh", measure);
  const lines = (await host.machine.ok(argv)).trim().split("\n");
  const rows = lines.map((line) => line.split(" ").map(Number));
  expect(rows).toHaveLength(rounds);
  const eight = ratiosOf(rows, 0, 1);
  const [one, engine] = [median(ratiosOf(rows, 2, 3)), median(ratiosOf(rows, 2, 4))];
  process.stdout.write(
    `eight at once: ${median(eight).toFixed(2)} times bare runs; one: ${one.toFixed(2)} times a bare run, ${engine.toFixed(2)} of podman run; ms: ${lines.join(", ")}\n`,
  );
  expect(eight[2]).toBeLessThan(2);
  expect(one).toBeLessThan(6);
  expect(engine).toBeLessThan(1);
});
