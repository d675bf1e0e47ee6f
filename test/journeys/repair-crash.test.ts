import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { checkStore, environment, type Host, makeHost, type Ran, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { flip, repair } from "../bed/repair.ts";
import { run } from "../bed/run.ts";
import { scratchDirectory } from "../bed/scratch.ts";

const shelf = openShelf();
let image: TestImage;

/** The calls by which a repair changes what is there. */
const calls = ["rename", "link", "unlink", "rmdir", "mkdir", "chmod", "fsync", "syncfs"];
const points = 12;

beforeAll(async () => {
  const second = {
    "usr/bin/tool": { kind: "file", content: "tool\n", mode: 0o755 },
    "usr/deep/text": "text\n",
  } as const;
  image = await shelf.build({ layers: [etcdLike(), second, { "third layer": "3\n" }] });
});

/** Runs `verify --repair` under strace, which kills it when it enters that call for that time. */
async function traced(root: string, log: string, kill?: readonly [call: string, when: number]): Promise<Ran> {
  const inject = kill === undefined ? [] : ["-e", `inject=${kill[0]}:signal=KILL:when=${kill[1]}`];
  const options = ["-f", "-qq", "-o", log, "-e", `trace=${calls.join(",")}`, ...inject];
  const command = [await builtProgram(), "--root", root, "verify", "--repair"];
  return runToEnd("strace", [...options, ...command], { cwd: "/", env: environment });
}

async function damage(host: Host): Promise<void> {
  const state = "/var/lib/keelson";
  const rootfs = `${state}/deployments/foo/1/rootfs`;
  await flip(host.path(`${rootfs}/usr/bin/tool`));
  await rm(host.path(`${rootfs}/usr/deep`), { recursive: true });
  await mkdir(host.path(`${rootfs}/usr/foreign/below`), { recursive: true });
  await appendFile(host.path("/etc/systemd/system/foo.service"), "# edited\n");
  await rm(host.path("/etc/foo"), { recursive: true });
  await rm(host.path(`${state}/repo/refs/heads/keelson`), { recursive: true });
  const lists = host.path(`${state}/images/layers`);
  const [first = ""] = (await readdir(lists)).sort();
  await rm(join(lists, first));
}

it("25, 72: a repair killed at any point leaves what the next one heals", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);
  const whole = await host.snapshot();
  await damage(host);
  const damaged = join(scratchDirectory(), "root");
  const reset = async (): Promise<void> => {
    await run("sh", "-c", 'rm -rf "$2" && cp -a "$1" "$2"', "sh", damaged, host.root);
  };
  await run("cp", "-a", host.root, damaged);
  const log = `${damaged}.log`;
  expect(await traced(host.root, log)).toMatchObject({ status: 0 });
  expect(await host.snapshot()).toEqual(whole);
  const made = [...(await readFile(log, "utf8")).matchAll(/^\d+ +(\w+)\(/gm)].map(([, call = ""]) => call);
  expect(made.length).toBeGreaterThan(points);

  const step = made.length / points;
  for (let at = 0; at < made.length; at += step) {
    const call = made[Math.floor(at)] ?? "";
    const when = made.slice(0, Math.floor(at) + 1).filter((other) => other === call).length;
    await reset();
    expect((await traced(host.root, log, [call, when])).status, `${call} ${when}`).toBe(137);
    expect(await repair(host), `killed at ${call} ${when}`).toMatchObject({ status: 0, findings: [] });
    expect(await host.snapshot(), `killed at ${call} ${when}`).toEqual(whole);
    await checkStore(host.root);
  }
});
