import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { userPlaces } from "../src/plan/places.ts";
import { readSettings } from "../src/settings.ts";
import { scratchDirectory } from "./bed/scratch.ts";
import { kim } from "./bed/user.ts";

function settingsOf(text: string, environment: NodeJS.ProcessEnv = { HOME: "/root" }) {
  const root = scratchDirectory();
  mkdirSync(join(root, "etc/keelson"), { recursive: true });
  writeFileSync(join(root, "etc/keelson/keelson.conf"), text);
  return readSettings(root, environment);
}

describe("keelson.conf", () => {
  it("has a default for every key", () => {
    expect(readSettings(scratchDirectory(), { HOME: "/root" })).toMatchObject({
      stateDirectory: "/var/lib/keelson",
      tlsVerify: true,
      layerSize: 16 * 1024 ** 3,
      layerEntries: 1_000_000,
      caFiles: [],
    });
  });

  it("78: of a user is below that user's home, and so is the state that it speaks of", () => {
    const root = scratchDirectory();
    for (const directory of ["etc/keelson", "home/kim/.config/keelson"]) {
      mkdirSync(join(root, directory), { recursive: true });
      writeFileSync(join(root, directory, "keelson.conf"), `keep = ${directory.length}\n`);
    }
    expect(readSettings(root, {}, userPlaces(kim))).toMatchObject({
      stateDirectory: "/home/kim/.local/share/keelson",
      keep: "home/kim/.config/keelson".length,
    });
  });

  it("is read as ini, with comments and blank lines", () => {
    const settings = settingsOf(
      "; comment\nstate_directory = /srv/keelson\n\ntls_verify=false\nruntime = /usr/bin/crun\nlayer_size=1024\n",
    );
    expect(settings).toMatchObject({
      stateDirectory: "/srv/keelson",
      tlsVerify: false,
      runtime: "/usr/bin/crun",
      layerSize: 1024,
    });
  });

  it.each([
    ["an unknown key", "colour = red\n"],
    ["a limit that is no number", "layer_size = much\n"],
    ["a limit of nothing", "layer_entries = 0\n"],
    ["a percentage of all", "free_space = 100\n"],
    ["a truth that is none", "tls_verify = maybe\n"],
    ["a relative state directory", "state_directory = var/lib/keelson\n"],
    ["a state directory no unit could name", "state_directory = /var/lib/my%stuff\n"],
    ["a section", "[keelson]\nruntime = /usr/bin/crun\n"],
  ])("refuses %s", (_, text) => {
    expect(() => settingsOf(text)).toThrow(expect.objectContaining({ code: "E_SETTINGS" }));
  });

  it("takes proxies from the environment, the names in capitals first", () => {
    const environment = { HTTPS_PROXY: "proxy.example:3128", https_proxy: "http://other", http_proxy: "http://a:b@c" };
    expect(settingsOf("", { ...environment, no_proxy: "a, b" }).proxies).toEqual({
      https: "http://proxy.example:3128/",
      http: "http://a:b@c/",
      except: "a, b",
    });
  });

  it.each(["socks5://secret@host", "http://", "http://u:secret%@host", "http://secret host"])(
    "refuses the proxy %s and does not repeat it",
    (value) => {
      expect(() => settingsOf("", { HTTP_PROXY: value })).toThrow(
        expect.objectContaining({ code: "E_SETTINGS", message: expect.not.stringContaining("secret") }),
      );
    },
  );

  it("looks for credentials in the places of containers-auth.json(5), the environment's first", () => {
    expect(
      settingsOf("auth_file = /etc/keelson/auth.json\n", {
        HOME: "/home/a",
        REGISTRY_AUTH_FILE: "/first",
        XDG_RUNTIME_DIR: "/run/user/7",
      }).authFiles,
    ).toEqual([
      "/first",
      "/etc/keelson/auth.json",
      "/run/user/7/containers/auth.json",
      "/home/a/.config/containers/auth.json",
      "/home/a/.docker/config.json",
    ]);
  });
});
