import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootSystemd, type SystemdMachine, shell, sleeping, units } from "./systemd-machine.ts";

let host: SystemdMachine;
beforeAll(async () => {
  host = await bootSystemd();
});
afterAll(() => host?.machine.stop());

describe("a running systemd", () => {
  it("enables with the links that systemctl makes, shows them, and disables", async () => {
    await host.putUnit(
      "linked.service",
      sleeping,
      "WantedBy=multi-user.target\nRequiredBy=other.service\nAlias=alias.service",
    );
    await host.machine.ok(["cp", "-a", `${units}/linked.service`, `${units}/twin.service`]);
    await host.machine.ok(["sed", "-i", "s/alias/twin-alias/", `${units}/twin.service`]);
    await host.machine.ok(["systemctl", "enable", "twin.service"]);
    const [enabled, , states] = await host.calls(
      ["enable", "linked.service"],
      ["reload"],
      ["states", ["linked.service"]],
    );
    const link = (path: string, name: string): object => ({
      path: `${units}/${path}`,
      target: `${units}/${name}.service`,
    });
    expect(enabled).toEqual([
      link("alias.service", "linked"),
      link("multi-user.target.wants/linked.service", "linked"),
      link("other.service.requires/linked.service", "linked"),
    ]);
    for (const { path, target } of enabled as readonly { readonly path: string; readonly target: string }[]) {
      expect(await host.machine.ok(["readlink", path])).toBe(`${target}\n`);
      const twin = path.replace("alias", "twin-alias").replace("linked", "twin");
      expect(await host.machine.ok(["readlink", twin])).toBe(`${units}/twin.service\n`);
    }
    expect(states).toMatchObject({
      "linked.service": {
        loadState: "loaded",
        activeState: "inactive",
        unitFileState: "enabled",
        fragmentPath: `${units}/linked.service`,
      },
    });
    const [again, removed, none] = await host.calls(
      ["enable", "linked.service"],
      ["disable", "linked.service"],
      ["disable", "linked.service"],
    );
    expect(again).toEqual(enabled);
    expect(removed).toEqual(enabled);
    expect(none).toEqual([]);
    expect((await host.machine.run(["test", "-e", `${units}/alias.service`])).status).toBe(1);
    await host.calls(["reload"]);
    expect(await host.stateOf("linked.service")).toMatchObject({ unitFileState: "disabled" });
  });

  it("a start ends when the service says that it is ready", async () => {
    const script = "read -r go </run/gate; touch /run/was-ready; systemd-notify --ready; exec sleep infinity";
    await host.putUnit("notify.service", `Type=notify\nNotifyAccess=all\n${shell(script)}`);
    await host.machine.ok(["mkfifo", "/run/gate"]);
    const started = host.calls(["reload"], ["start", "notify.service"], ["states", ["notify.service"]]);
    await host.machine.ok(["sh", "-c", "echo go >/run/gate"]);
    const [, start, states] = await started;
    expect(start).toBe("ok");
    await host.machine.ok(["test", "-e", "/run/was-ready"]);
    expect(states).toMatchObject({
      "notify.service": { activeState: "active", subState: "running", result: "success" },
    });
    const pid = (await host.machine.ok(["systemctl", "show", "-P", "MainPID", "notify.service"])).trim();
    expect((states as Record<string, { readonly mainPid: number }>)["notify.service"]?.mainPid).toBe(Number(pid));
  });

  it("a start that fails tells the state, the exit status and what the service said last", async () => {
    const lines = "for i in $(seq 30); do echo line-$i; done; echo the port is taken >&2; exit 3".replaceAll(
      "$",
      "$$$$",
    );
    await host.putUnit("broken.service", `Type=notify\n${shell(lines)}`);
    await host.putUnit("other-run.service", `Type=oneshot\n${shell("echo not this one")}`);
    const [, , failure] = await host.calls(["reload"], ["start", "other-run.service"], ["start", "broken.service"]);
    const { code, message } = failure as { readonly code: string; readonly message: string };
    expect(code).toBe("E_START");
    expect(message).toContain(
      "broken.service did not start: job failed, state failed (failed), result exit-code, exit status 3",
    );
    expect(message).toContain("the port is taken");
    expect(message).toContain("line-30");
    expect(message).not.toContain("line-1\n");
    expect(message).not.toContain("not this one");
    expect(message.split("\n").length).toBeLessThanOrEqual(21);
  });

  it("the lines of a failed start are those of this start alone", async () => {
    await host.putUnit("twice.service", `Type=notify\n${shell("echo run $INVOCATION_ID; exit 1".replace("$", "$$"))}`);
    const [, first, second] = (await host.calls(
      ["reload"],
      ["start", "twice.service"],
      ["start", "twice.service"],
    )) as readonly { readonly message: string }[];
    const runs = [first, second].map((failure) => failure?.message.match(/run [0-9a-f]{32}/g));
    expect(runs.map((found) => found?.length)).toEqual([1, 1]);
    expect(runs[0]).not.toEqual(runs[1]);
  });

  it("a start that takes too long is E_START with the result timeout", async () => {
    await host.putUnit("slow.service", `Type=notify\nTimeoutStartSec=300ms\n${sleeping}`);
    const [, failure] = await host.calls(["reload"], ["start", "slow.service"]);
    expect(failure).toMatchObject({ code: "E_START", message: expect.stringContaining("result timeout") });
  });

  it("what systemd refuses is said in its own words", async () => {
    await host.machine.ok(["ln", "-s", "/dev/null", `${units}/masked.service`]);
    const [, unknown, masked, enabling] = await host.calls(
      ["reload"],
      ["start", "none.service"],
      ["start", "masked.service"],
      ["enable", "none.service"],
    );
    expect(unknown).toMatchObject({ code: "E_START", message: expect.stringContaining("none.service not found") });
    expect(masked).toMatchObject({ code: "E_START", message: expect.stringContaining("masked") });
    expect(enabling).toMatchObject({ code: "E_SYSTEMD", message: expect.stringContaining("none.service") });
  });

  it("jobs that are over before systemd's reply are not waited for", async () => {
    await host.putUnit("quick@.service", "Type=oneshot\nExecStart=/bin/true");
    const starts = Array.from({ length: 20 }, (_each, index) => ["start", `quick@${index}.service`]);
    const [, ...results] = await host.calls(["reload"], starts, ...starts);
    expect(results).toEqual(Array.from({ length: 40 }, () => "ok"));
  });

  it("a stop ends when the service is gone, and has nothing to do where none runs", async () => {
    await host.putUnit(
      "stopped.service",
      `KillMode=mixed\n${shell('trap "sleep 0.3; exit 0" TERM; sleep infinity & wait; wait')}`,
    );
    const answers = await host.calls(
      ...[["reload"], ["start", "stopped.service"], ["states", ["stopped.service"]], ["stop", "stopped.service"]],
      ...[
        ["states", ["stopped.service"]],
        ["stop", "stopped.service"],
        ["stop", "none.service"],
        ["resetFailed", "none.service"],
      ],
    );
    expect(answers[2]).toMatchObject({ "stopped.service": { activeState: "active" } });
    expect(answers[3]).toBe("ok");
    expect(answers[4]).toMatchObject({ "stopped.service": { activeState: "inactive", subState: "dead", mainPid: 0 } });
    expect(answers.slice(5)).toEqual(["ok", "ok", "ok"]);
  });

  it("a failure is forgotten when asked", async () => {
    await host.putUnit("failing.service", `Type=notify\n${shell("exit 4")}`);
    const answers = await host.calls(
      ...[["reload"], ["start", "failing.service"], ["states", ["failing.service"]]],
      ...[
        ["resetFailed", "failing.service"],
        ["states", ["failing.service"]],
      ],
    );
    expect(answers[2]).toMatchObject({
      "failing.service": { activeState: "failed", result: "exit-code", exitStatus: 4 },
    });
    expect(answers[4]).toMatchObject({ "failing.service": { activeState: "inactive" } });
  });

  it("tells the states of many units at once, unknown ones too", async () => {
    const many = Array.from({ length: 60 }, (_each, index) => `none-${index}.service`);
    const [states] = (await host.calls(["states", [...many, "dbus.service", "basic.target"]])) as [
      Record<string, Record<string, unknown>>,
    ];
    expect(Object.keys(states)).toEqual([...many, "dbus.service", "basic.target"]);
    expect(states["none-7.service"]).toMatchObject({ loadState: "not-found", activeState: "inactive", mainPid: 0 });
    expect(states["dbus.service"]).toMatchObject({ loadState: "loaded", activeState: "active", subState: "running" });
    expect(states["basic.target"]).toMatchObject({ activeState: "active", mainPid: 0 });
    expect(await host.calls(["states", []])).toEqual([{}]);
  });

  it("notices a unit file that systemd has not read again", async () => {
    await host.putUnit("edited.service", sleeping);
    await host.calls(["reload"], ["start", "edited.service"]);
    await host.putUnit("edited.service", `${sleeping}\nRestart=always`);
    expect(await host.stateOf("edited.service")).toMatchObject({ needsReload: true });
    await host.calls(["reload"]);
    expect(await host.stateOf("edited.service")).toMatchObject({ needsReload: false });
  });

  it("counts automatic restarts", async () => {
    await host.putUnit(
      "again.service",
      `Restart=on-failure\nRestartSec=0\n${shell("test -e /run/again || { touch /run/again; exit 1; }; mkfifo /run/up; read -r x </run/up; exec sleep infinity")}`,
    );
    await host.calls(["reload"], ["start", "again.service"]);
    await host.machine.ok(["sh", "-c", "until test -p /run/up; do sleep 0.02; done; echo x >/run/up"]);
    expect(await host.stateOf("again.service")).toMatchObject({ activeState: "active", restarts: 1 });
  });

  it("makes and removes what tmpfiles.d declares, and reports what it complains of", async () => {
    await host.put("/etc/tmpfiles.d/keelson-x.conf", "d /run/made 0700 0 0 -\nR! /run/nothing\nr /run/made/file\n");
    const [made] = await host.calls(["tmpfiles", "create", "/etc/tmpfiles.d/keelson-x.conf"]);
    expect(made).toBe("ok");
    expect(await host.machine.ok(["stat", "-c", "%a", "/run/made"])).toBe("700\n");
    await host.machine.ok(["touch", "/run/made/file"]);
    expect(await host.calls(["tmpfiles", "remove", "/etc/tmpfiles.d/keelson-x.conf"])).toEqual(["ok"]);
    expect((await host.machine.run(["test", "-e", "/run/made/file"])).status).toBe(1);
    await host.put("/etc/tmpfiles.d/keelson-bad.conf", "Q_Q /run/x\n");
    const [failure] = await host.calls(["tmpfiles", "create", "/etc/tmpfiles.d/keelson-bad.conf"]);
    expect(failure).toMatchObject({ code: "E_SYSTEMD", message: expect.stringContaining("keelson-bad.conf") });
    await host.machine.ok(["rm", "/etc/tmpfiles.d/keelson-bad.conf"]);
  });

  it("says what is missing when there is no system bus", async () => {
    const [failure] = await withoutBus(() => host.calls(["reload"]));
    expect(failure).toMatchObject({ code: "E_SYSTEMD", hint: expect.stringContaining("dbus") });
  });

  it("an enabled service runs after a reboot, and the disk holds nothing of ours beside what was written", async () => {
    await host.putUnit("boots.service", sleeping, "WantedBy=multi-user.target");
    await host.calls(["enable", "boots.service"]);
    await host.machine.reboot();
    expect(await host.stateOf("boots.service")).toMatchObject({ activeState: "active", restarts: 0 });
    const written = join(host.machine.upper, units);
    expect(readlinkSync(join(written, "multi-user.target.wants/boots.service"))).toBe(`${units}/boots.service`);
    expect(lstatSync(join(written, "boots.service")).isFile()).toBe(true);
    expect(existsSync(join(host.machine.upper, "usr"))).toBe(false);
    expect(readdirSync(join(written, "multi-user.target.wants"))).toEqual(["boots.service", "twin.service"]);
  });

  it("comes up again after the plug was pulled", async () => {
    await host.machine.kill();
    await host.machine.start();
    expect(await host.stateOf("boots.service")).toMatchObject({ activeState: "active" });
  });
});

/** The socket goes away under a name of its own: stopping dbus itself would take other services along. */
async function withoutBus<T>(body: () => Promise<T>): Promise<T> {
  await host.machine.ok(["mv", "/run/dbus/system_bus_socket", "/run/dbus/away"]);
  try {
    return await body();
  } finally {
    await host.machine.ok(["mv", "/run/dbus/away", "/run/dbus/system_bus_socket"]);
  }
}
