import { describe, expect, it } from "vitest";
import { type Phase, parsePhase, phases } from "../../src/contract/phase.ts";
import type { HostUnits, Member } from "../../src/plan/members.ts";
import { orderProblems } from "../../src/plan/order.ts";
import { withPhase } from "../../src/plan/phase.ts";
import { hostWith, member } from "../bed/members.ts";

const service = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
const addedTo = (text: string, phase: Phase, ...sources: readonly string[]): readonly string[] =>
  withPhase("x.service", text, phase, sources).slice(text.length).trim().split("\n");

describe("what a phase adds to a unit", () => {
  it.each([
    ["normal", [""]],
    [
      "early",
      [
        "# Added by keelson for the phase early.",
        "[Unit]",
        "DefaultDependencies=no",
        "Conflicts=shutdown.target",
        "After=systemd-tmpfiles-setup.service",
        "Before=sysinit.target shutdown.target",
        "RequiresMountsFor=/var/lib/x",
        "[Install]",
        "WantedBy=sysinit.target",
      ],
    ],
    [
      "basic",
      [
        "# Added by keelson for the phase basic.",
        "[Unit]",
        "DefaultDependencies=no",
        "Conflicts=shutdown.target",
        "Requires=sysinit.target",
        "After=sysinit.target",
        "Before=sockets.target basic.target shutdown.target",
        "RequiresMountsFor=/var/lib/x",
        "[Install]",
        "WantedBy=basic.target",
      ],
    ],
    [
      "pre-network",
      [
        "# Added by keelson for the phase pre-network.",
        "[Unit]",
        "DefaultDependencies=no",
        "Conflicts=shutdown.target",
        "After=systemd-tmpfiles-setup.service",
        "Wants=network-pre.target",
        "Before=network-pre.target shutdown.target",
        "RequiresMountsFor=/var/lib/x",
      ],
    ],
    [
      "pre-runtime",
      [
        "# Added by keelson for the phase pre-runtime.",
        "[Unit]",
        "Before=docker.service containerd.service crio.service cri-docker.service podman.service",
        "RequiresMountsFor=/var/lib/x",
      ],
    ],
  ] as const)("%s", (phase, lines) => {
    expect(addedTo(service, phase, "/var/lib/x", "/proc", "/run/x", "/var/lib/x")).toEqual(lines);
  });

  it("pulls in nothing that the image does not want enabled, and names no target twice", () => {
    expect(addedTo("[Service]\nExecStart=/bin/true\n", "early")).not.toContain("[Install]");
    expect(addedTo(service.replace("multi-user", "sysinit"), "early")).not.toContain("[Install]");
  });

  it("writes any path so that it stays one path, and leaves out what no line can hold", () => {
    const paths = ["/a b", "/100%", '/q"\\', "/x\nExecStart=/bin/rm"];
    expect(addedTo(service, "pre-runtime", ...paths)).toContain('RequiresMountsFor="/a b" /100%% "/q\\"\\\\"');
  });

  it("never asks for a network that is up", () => {
    for (const phase of phases)
      expect(withPhase("x.service", service, phase, ["/srv"])).not.toContain("network-online");
  });
});

it("a phase that there is not is a defect", () => {
  const problems: string[] = [];
  expect(parsePhase("late\n", (why) => problems.push(why))).toBeUndefined();
  expect(problems).toEqual(['phase is "late\\n", none of early, basic, pre-network, pre-runtime, normal']);
});

describe("a service that starts before the network", () => {
  const nfs = { "srv.mount": "[Mount]\nType=nfs\n" };
  const targets = { "sysinit.target": "[Unit]\n", "basic.target": "[Unit]\nAfter=sysinit.target\n" };
  const of = (
    phase: Phase,
    text: string,
    requires: readonly string[] = [],
    sources: readonly string[] = [],
  ): Member => ({
    ...member("box", { requires }, withPhase("box.service", text, phase, sources)),
    phase,
  });
  const chains = (box: Member, host: HostUnits, ...others: readonly Member[]): readonly (readonly string[])[] =>
    orderProblems([box, ...others], host).flatMap((problem) => (problem.kind === "phase" ? [problem.units] : []));

  it.each(["early", "basic", "pre-network"] as const)(
    "%s: is refused what leads to a network, by each way",
    (phase) => {
      const host = hostWith({ ...nfs, ...targets, "web.service": "[Unit]\nAfter=network.target\n" });
      const wants = of(phase, "[Unit]\nWants=network-online.target\n");
      expect(chains(wants, host)).toEqual([["box.service", "network-online.target"]]);
      expect(chains(of(phase, "[Unit]\nAfter=network.target\n"), host)).toEqual([["box.service", "network.target"]]);
      expect(chains(of(phase, service, ["web"]), host)).toEqual([["box.service", "web.service", "network.target"]]);
      expect(chains(of(phase, service, [], ["/srv/data"]), host)).toEqual([
        ["box.service", "srv.mount", "network-online.target"],
      ]);
    },
  );

  it.each(["pre-runtime", "normal"] as const)("%s: may wait for it", (phase) => {
    const box = of(phase, "[Unit]\nAfter=network-online.target\nWants=network-online.target\n", [], ["/srv/data"]);
    expect(orderProblems([box], hostWith({ ...nfs, ...targets }))).toEqual([]);
  });

  it("may have its state on a disk of its own, and require what is as early", () => {
    const host = hostWith({ ...targets, "srv.mount": "[Mount]\nType=ext4\n" });
    const store = { ...member("store", {}, withPhase("store.service", service, "early", [])), phase: "early" as const };
    expect(orderProblems([of("early", service, ["store"], ["/srv/data"]), store], host)).toEqual([]);
  });

  it("requiring what comes later is a cycle", () => {
    const problems = orderProblems([of("early", service, ["store"]), member("store")], hostWith(targets));
    expect(problems).toEqual([
      { kind: "cycle", units: ["box.service", "store.service", "sysinit.target", "box.service"] },
    ]);
  });
});
