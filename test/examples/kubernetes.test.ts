import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { BuiltExample } from "../../examples/build.ts";
import { variablesOf } from "../../src/contract/contract.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { type KubernetesName, kubernetes, standIn } from "../bed/kubernetes.ts";
import { type Bundle, openBundle, run } from "./bundle.ts";

const home = await mkdtemp(join(tmpdir(), "keelson-kubernetes-test-"));
const shelf = openShelf();
afterAll(() => rm(home, { recursive: true, force: true }));

/** The image with a script in place of its program, rendered. */
async function bundleOf(name: KubernetesName, script: string): Promise<Bundle> {
  const own = await mkdtemp(join(home, `${name}-`));
  await mkdir(join(own, "host/etc"), { recursive: true });
  await writeFile(join(own, "host/etc/machine-id"), "0123456789abcdef0123456789abcdef\n");
  const { directory, reference } = await shelf.build({ layers: [standIn(name, script)] });
  return openBundle({ name, layout: directory, reference, digest: name } as unknown as BuiltExample, own);
}

/** What the program says in a container of the rendered config.json. */
async function output({ name, directory }: Bundle): Promise<string> {
  const runc = ["--root", join(home, "runc"), "run", "--bundle", directory, `keelson-test-${process.pid}-${name}`];
  return (await run("runc", runc)).stdout;
}

describe.each(kubernetes)("the image %s", (name) => {
  it("needs no --set, and runc starts its program with every argument filled in and nothing made in its tree", async () => {
    const bundle = await bundleOf(name, 'printf "%s\\n" "$0" "$@"');
    expect(variablesOf(bundle.contract).required).toEqual([]);
    const before = (await run("find", [bundle.rootfs])).stdout;
    const [program, ...args] = (await output(bundle)).trimEnd().split("\n");
    expect(program).toBe(`/usr/bin/${name}`);
    expect(args).toContain("--v=2");
    for (const arg of args) expect(arg).toMatch(/^--[a-z-]+=[^$]*$/);
    expect((await run("find", [bundle.rootfs])).stdout).toBe(before);
  });
});

describe("what they may do on the host", () => {
  const status = "while read -r key value; do [ $key != CapEff: ] || echo $value; done </proc/self/status";

  it("is nothing beyond their own for the API server, the controllers and the scheduler", async () => {
    const write =
      'for at in /etc/kubernetes /sys/fs /usr; do busybox touch "$at/new" 2>/dev/null && echo "$at"; done; true';
    expect(await output(await bundleOf("kube-apiserver", `${status}; ${write}`))).toBe("0000000000000400\n");
    for (const name of ["kube-controller-manager", "kube-scheduler"] as const) {
      expect(await output(await bundleOf(name, `${status}; ${write}`))).toBe("0000000000000000\n");
    }
  });

  it("is the network for the proxy", async () => {
    expect(await output(await bundleOf("kube-proxy", status))).toBe("0000000000003000\n");
  });

  it("is everything for kubelet, and what it mounts for its pods shows on the host", async () => {
    const mount = "busybox mkdir -p /var/lib/kubelet/pods && busybox mount -t tmpfs tmpfs /var/lib/kubelet/pods";
    const kubelet = await bundleOf("kubelet", `${mount} && echo seen >/var/lib/kubelet/pods/by-the-host`);
    const directory = join(kubelet.host, "var/lib/kubelet");
    await run("mount", ["--bind", "--make-shared", directory, directory]);
    try {
      await output(kubelet);
      expect(await readFile(join(directory, "pods/by-the-host"), "utf8")).toBe("seen\n");
    } finally {
      await run("umount", ["--recursive", directory]);
    }
  });
});
