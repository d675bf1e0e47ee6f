import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Outcome } from "./keelson.ts";
import type { Stand } from "./stand.ts";

/** Another program that unpacks images. */
export interface Peer {
  readonly name: string;
  /** Unpacks the image of the stand below it; what is not as it was beside that is told by the stand and by `strays`. */
  unpack(stand: Stand): Promise<{ readonly outcome: Outcome; readonly strays: readonly string[] }>;
}

const seconds = 20;
/**
 * A mount namespace of its own without a network, in which nothing can be written but below $1: a program that is led out of
 * its directory finds everything else read-only. What such programs keep elsewhere is in memory.
 */
const sandbox = `set -e
trap "exit 98" EXIT
base=$1; shift
mount --bind "$base" "$base"
for place in /run /var/lib/containers /var/tmp; do [ -d $place ] && mount -t tmpfs tmpfs $place; done
cut -d ' ' -f 5 /proc/self/mountinfo | sort -u | while read -r place; do
  case $place in "$base" | /run | /var/lib/containers | /var/tmp) continue ;; esac
  mount -o remount,bind,ro "$place" 2>/dev/null || true
done
if touch /keelson-hostile-probe 2>/dev/null || touch "$base/../keelson-hostile-probe" 2>/dev/null; then exit 98; fi
ulimit -f 524288
ulimit -t ${seconds}
cd "$base"
exec "$@"`;

function peer(
  name: string,
  command: (own: string, layout: string) => readonly string[],
  treeOf: (own: string, stdout: string) => string,
): Peer {
  return {
    name,
    async unpack(stand) {
      const own = join(stand.base, name);
      const canary = join(own, "canary");
      mkdirSync(join(own, "tmp"), { recursive: true });
      writeFileSync(canary, "mine\n");
      const words = [
        "-m",
        "-n",
        "--propagation",
        "private",
        "timeout",
        "-s",
        "KILL",
        String(seconds),
        "sh",
        "-c",
        sandbox,
        "sh",
        stand.base,
      ];
      const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: join(own, "tmp"), TMPDIR: join(own, "tmp") };
      const { status, stdout, stderr } = await runToEnd("unshare", [...words, ...command(own, stand.layout)], env);
      if (status === 98) throw new Error("there is no sandbox for it");
      const strays = readIfThere(canary) === "mine\n" ? [] : [`${name}/canary has changed`];
      if (status === 0) return { outcome: { kind: "installed", tree: treeOf(own, stdout) }, strays };
      const crashed = status > 128 || /^(?:panic|fatal error|runtime error)/m.test(stderr);
      const message = stderr.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
      return {
        outcome: crashed
          ? { kind: "crashed", message: `status ${status}: ${message}` }
          : { kind: "refused", code: String(status), message },
        strays,
      };
    },
  };
}

async function runToEnd(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(program, [...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const closed: Promise<readonly (number | NodeJS.Signals | null)[]> = once(child, "close");
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return {
    status: typeof code === "number" ? code : 128 + constants.signals[signal as NodeJS.Signals],
    stdout,
    stderr,
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** What keelson is compared with. */
export const peers: readonly Peer[] = [
  peer(
    "umoci",
    (own, layout) => ["umoci", "unpack", "--image", `${layout}:latest`, join(own, "bundle")],
    (own) => join(own, "bundle/rootfs"),
  ),
  peer(
    "buildah",
    (own) => [
      "sh",
      "-ec",
      'buildah --storage-driver vfs --root "$1/root" --runroot "$1/runroot" from -q --pull-always --name hostile "oci:layout:latest" >&2; buildah --storage-driver vfs --root "$1/root" --runroot "$1/runroot" mount hostile',
      "sh",
      own,
    ],
    (_, stdout) => stdout.trim(),
  ),
];
