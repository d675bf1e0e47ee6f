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

/** Milliseconds that each of the two takes in turn, one round a line; the same trees, the same config.json but for its cgroup. */
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
  bare=$(now)
  for name in $names; do runc run -d --bundle /tmp/bare/$name bare-$name </dev/null >/dev/null 2>/tmp/bare/$name/said & pids="$pids $!"; done
  for pid in $pids; do wait $pid; done
  end=$(now)
  pids=
  for name in $names; do runc delete -f bare-$name; done
  echo $((up - begun)) $((end - bare))
done`;

// What else the machine does at the time is in both, but not in equal parts: the better quarter of the rounds counts.
it("eight containers started at once are up within twice the time of eight bare runs of the runtime", {
  retry: 2,
}, async () => {
  await host.put("/tmp/measure.sh", measure);
  const argv = ["systemd-run", "--quiet", "--wait", "--pipe", "bash", "/tmp/measure.sh"];
  const lines = (await host.machine.ok(argv)).trim().split("\n");
  const rows = lines.map((line) => line.split(" ").map(Number) as [number, number]);
  expect(rows).toHaveLength(rounds);
  const ratios = rows.map(([ours, bare]) => ours / bare).sort((a, b) => a - b);
  const [quartile = Number.NaN, median = Number.NaN] = [2, 4].map((index) => ratios[index]);
  process.stdout.write(
    `eight at once: ${median.toFixed(2)} times bare runs, ${quartile.toFixed(2)} in the better rounds; ms: ${lines.join(", ")}\n`,
  );
  expect(quartile).toBeGreaterThan(0);
  expect(quartile).toBeLessThan(2);
});
