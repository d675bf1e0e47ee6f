import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { type Applied, actions, writeStack } from "../bed/applied.ts";
import { builtExamples } from "../bed/examples.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { kubernetes, standIn } from "../bed/kubernetes.ts";

const shelf = openShelf();
const stack = readFileSync(join(import.meta.dirname, "../../examples/kubernetes.conf"), "utf8");
const lower = ["etcd", "flanneld", "containerd"] as const;
const names = [...lower, ...kubernetes];
const references = new Map<string, string>();
beforeAll(async () => {
  const built = await builtExamples();
  for (const name of lower) references.set(name, built[name].reference);
  for (const name of kubernetes) {
    references.set(name, (await shelf.build({ layers: [standIn(name, "exit 1")] })).reference);
  }
});

/** The stack of the examples, with images that are on this machine. */
const here = (): string => stack.replaceAll(/127\.0\.0\.1:5000\/(\S+)/g, (_, name) => references.get(name) ?? "");

/** The relations that keelson has written, without those to its own units. */
const relations = (host: Host, name: string): readonly string[] =>
  host
    .read(`/etc/systemd/system/${name}.service.d/10-keelson.conf`)
    .split("\n")
    .filter((line) => /^(?:After|Wants|Upholds|Before)=/.test(line));

it("74: the stack of etcd, flanneld, containerd and the five of Kubernetes is one that systemd starts in that order", async () => {
  const host = await makeHost();
  const applied = await host.answer<Applied>("apply", await writeStack(host, here()));
  expect(new Set(actions(applied))).toEqual(new Set(names.map((name) => `${name} installed`)));
  const pulls = (units: string): readonly string[] => ["After", "Wants", "Upholds"].map((key) => `${key}=${units}`);
  expect(relations(host, "kube-apiserver")).toEqual(pulls("etcd.service"));
  for (const name of ["kube-controller-manager", "kube-scheduler"]) {
    expect(relations(host, name)).toEqual(pulls("kube-apiserver.service"));
  }
  expect(relations(host, "kube-proxy")).toEqual(pulls("kube-apiserver.service flanneld.service"));
  expect(relations(host, "kubelet")).toEqual(pulls("containerd.service"));
  expect(await complaints(host)).toEqual([]);
  expect((await host.keelson("verify")).status).toBe(0);
  host.write("/etc/systemd/system/etcd.service.d/odd.conf", "[Unit]\nAfter=kube-proxy.service\n");
  expect((await complaints(host)).join("\n")).toContain("Found ordering cycle on");

  const config = JSON.parse(host.read("/var/lib/keelson/deployments/containerd/current/config.json"));
  const mounted = config.mounts.map(({ source, destination }: Record<string, string>) => `${source} ${destination}`);
  expect(mounted).toEqual(expect.arrayContaining(["/var/lib/kubelet /var/lib/kubelet", "/var/log /var/log"]));
  expect(host.read("/etc/kubernetes/kubelet.yaml")).toContain(
    '\nclusterDNS: ["10.96.0.10"]\nclusterDomain: "cluster.local"\n',
  );
});

it("each of them is up, for what requires it, when it answers on the port of its health", async () => {
  const host = await makeHost();
  await host.answer("apply", await writeStack(host, here()));
  const script = (name: string): string => host.read(`/var/lib/keelson/deployments/${name}/current/ready.sh`);
  for (const name of kubernetes) expect(host.read(`/etc/systemd/system/${name}.service`)).toContain("/ready.sh");
  const ports = { "kube-controller-manager": 10257, "kube-scheduler": 10259, "kube-proxy": 10256, kubelet: 10248 };
  for (const [name, port] of Object.entries(ports)) {
    const { health } = JSON.parse(
      readFileSync(join(import.meta.dirname, `../../examples/${name}/exports/manifest.json`), "utf8"),
    );
    expect(script(name)).toContain(`*:${port.toString(16).toUpperCase()}/0A)`);
    expect(health.command.at(-1)).toMatch(new RegExp(`^https?://127\\.0\\.0\\.1:${port}/healthz$`));
  }
  expect(script("kube-apiserver")).toContain("https://127.0.0.1:6443/readyz");
});

/** What systemd says of each unit, read with its additions beside the others and those of this machine. */
async function complaints(host: Host): Promise<readonly string[]> {
  const units = host.path("/etc/systemd/system");
  const environment = { ...process.env, SYSTEMD_UNIT_PATH: `${units}:` };
  const lines: string[] = [];
  // One by one: a job that is there already is not looked at again together with what needs it.
  for (const name of names) {
    const verify = ["verify", "--man=no", join(units, `${name}.service`)];
    const { stderr } = await promisify(execFile)("systemd-analyze", verify, { env: environment }).catch(
      (error) => error,
    );
    lines.push(...String(stderr).split("\n"));
  }
  return lines.filter((line) => names.some((name) => line.includes(`${name}.service`)));
}
