import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage } from "../bed/images.ts";
import { type Answer, type Disk, makeDisk } from "../bed/qemu.ts";
import { base, ends } from "../boot/payloads.ts";
import { facts, install, put } from "./host.ts";

const phases = ["early", "basic", "pre-network", "pre-runtime", "normal"] as const;
const others = ["var.mount", "sysinit.target", "basic.target", "network-pre.target", "docker.service"] as const;

let disk: Disk;
beforeAll(async () => {
  const image = await buildImage({
    layers: [{ ...base(`echo >>/data/started; ${ends}`), data: { kind: "directory" } }],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"], volumes: ["/data"] },
  });
  try {
    disk = await makeDisk(
      async (root) => {
        await put(root, "/etc/hosts", "127.0.0.1 localhost\n");
        await put(root, "/etc/resolv.conf", "");
        await put(root, "/etc/systemd/system/docker.service", "[Service]\nExecStart=/bin/sleep infinity\n");
        await put(root, "/etc/systemd/system/multi-user.target.d/docker.conf", "[Unit]\nWants=docker.service\n");
        for (const phase of phases) await install(root, phase, ["--phase", phase, image.reference]);
      },
      { ownVar: true },
    );
  } finally {
    await image.remove();
  }
});
afterAll(() => disk?.remove());

const show = (unit: string): string =>
  `systemctl show ${unit} --property=ActiveState,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,NRestarts`;
const questions = {
  ...Object.fromEntries(phases.map((phase) => [phase, show(`${phase}.service`)])),
  ...Object.fromEntries(others.map((unit) => [unit, show(unit)])),
  mounts: "findmnt -n -o SOURCE /var; findmnt -n -o SOURCE /",
  started: `wc -l ${phases.map((phase) => `/var/lib/${phase}/data/started`).join(" ")} | head -n 5`,
  journal: "journalctl --boot --no-pager --output=cat _PID=1",
};

describe.each([1, 2])("boot %d of a host with /var on a disk of its own, which all deployments are on", (boot) => {
  let answers: Readonly<Record<string, Answer>>;
  beforeAll(async () => {
    answers = await disk.boot(questions);
  });

  const timesOf = (unit: string): { readonly begun: number; readonly up: number } => {
    const shown = facts(answers[unit] ?? { status: -1, output: "not asked" });
    expect([unit, shown.ActiveState]).toEqual([unit, "active"]);
    return { begun: Number(shown.InactiveExitTimestampMonotonic), up: Number(shown.ActiveEnterTimestampMonotonic) };
  };

  it("74: containers of every phase come up in their places, after that disk", () => {
    expect(answers.mounts?.output).toBe("/dev/vdc\n/dev/vda");
    const mounted = timesOf("var.mount").up;
    for (const phase of phases) {
      expect(timesOf(phase).begun, phase).toBeGreaterThan(mounted);
      expect(answers.started?.output).toMatch(new RegExp(`^ *${boot} /var/lib/${phase}/data/started$`, "m"));
    }
    expect(timesOf("early").up).toBeLessThan(timesOf("sysinit.target").up);
    expect(timesOf("basic").begun).toBeGreaterThan(timesOf("sysinit.target").up);
    expect(timesOf("basic").up).toBeLessThan(timesOf("basic.target").up);
    expect(timesOf("pre-network").up).toBeLessThan(timesOf("network-pre.target").up);
    expect(timesOf("pre-runtime").up).toBeLessThan(timesOf("docker.service").begun);
    expect(timesOf("normal").begun).toBeGreaterThan(timesOf("basic.target").up);
  });

  it("systemd has to leave nothing out for that", () => {
    expect(answers.journal?.output).toContain("Started early.service");
    expect(answers.journal?.output).not.toMatch(/ordering cycle|Failed to start/);
  });
});
