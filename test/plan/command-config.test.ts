import { expect, it } from "vitest";
import { commandConfig, volatileSources } from "../../src/plan/command-config.ts";

const config = {
  ociVersion: "1.0.2",
  process: { args: ["/bin/server"], env: ["A=b"], terminal: false },
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/a", type: "bind", source: "/run/a" },
    { destination: "/b", source: "/var/run/b", options: ["rbind"] },
    { destination: "/c", type: "bind", source: "/runner/c" },
    { destination: "/d", type: "tmpfs", source: "/run/d" },
    { destination: "/e", type: "bind", source: "/run/" },
  ],
  linux: { cgroupsPath: "container", namespaces: [{ type: "pid" }] },
};
const text = JSON.stringify(config);

it("a command stands in for the service's own, outside its control group", () => {
  expect(JSON.parse(commandConfig(text, { command: ["ls", "-l"], terminal: true, rootfs: "/d/1/rootfs" }))).toEqual({
    ...config,
    process: { ...config.process, args: ["ls", "-l"], terminal: true },
    root: { path: "/d/1/rootfs", readonly: true },
    linux: { namespaces: [{ type: "pid" }] },
  });
});

it("without one the service's own stays", () => {
  const { process, root } = JSON.parse(commandConfig(text, { command: [], terminal: false }));
  expect([process, root]).toEqual([config.process, config.root]);
});

it("76: what is bound from below /run, and that alone, is gone after a boot", () => {
  expect(volatileSources(text)).toEqual(["/run/a", "/var/run/b"]);
  expect(volatileSources("{}")).toEqual([]);
});
