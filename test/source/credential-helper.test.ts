import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { noRegistries } from "../../src/image/registries.ts";
import { findCredentials } from "../../src/source/credentials.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { addImage, refuse, startFakeRegistry } from "../fakes/registry.ts";
import { pull } from "./pull.ts";

const secret = "h3lper-S3cret";

/** A directory with docker-credential-test: a shell script that writes down what it is asked, and answers by `lines`. */
function helper(...lines: readonly string[]): { readonly directory: string; readonly environment: NodeJS.ProcessEnv } {
  const directory = scratchDirectory();
  const path = join(directory, "docker-credential-test");
  writeFileSync(path, ["#!/bin/sh", "read -r server", ...lines].join("\n"));
  chmodSync(path, 0o755);
  return { directory, environment: { PATH: `${directory}:/usr/bin:/bin` } };
}

function authFile(document: object): string {
  const file = join(scratchDirectory(), "config.json");
  writeFileSync(file, JSON.stringify(document));
  return file;
}

const gives = `echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"$1 $server\\",\\"Secret\\":\\"${secret}\\"}"`;
const auth = (text: string): { readonly auth: string } => ({ auth: Buffer.from(text).toString("base64") });

describe("a credential helper", () => {
  it.each<[string, object, string, string | undefined]>([
    ["for its host", { credHelpers: { "reg.example:5000": "test" } }, "reg.example:5000", "get reg.example:5000"],
    ["for no other", { credHelpers: { "reg.example": "test" } }, "other.example", undefined],
    ["for every host", { credsStore: "test" }, "reg.example", "get reg.example"],
    ["before what stands in the file", { credHelpers: { reg: "test" }, auths: { reg: auth("a:b") } }, "reg", "get reg"],
    ["after what stands in the file", { credsStore: "test", auths: { reg: auth("a:b") } }, "reg", "a"],
    ["for Docker Hub by its old name", { credsStore: "test" }, "docker.io", "get https://index.docker.io/v1/"],
  ])("is asked %s", async (_when, document, host, user) => {
    const found = await findCredentials({ files: [authFile(document)], running: helper(gives) }, host, "team/app");
    expect(found?.user).toBe(user);
  });

  it("may give an identity token", async () => {
    const running = helper(`echo '{"Username":"<token>","Secret":"${secret}"}'`);
    const found = await findCredentials({ files: [authFile({ credsStore: "test" })], running }, "reg", "x");
    expect(found).toEqual({ user: "", password: "", identityToken: secret });
  });

  it("of registries.conf is asked in its place among the files", async () => {
    const files = [authFile({ auths: { reg: auth("a:b") } })];
    const running = helper(gives);
    const user = async (...helpers: readonly string[]): Promise<string | undefined> =>
      (await findCredentials({ files, helpers, running }, "reg", "x"))?.user;
    expect(await user("test", "containers-auth.json")).toBe("get reg");
    expect(await user("containers-auth.json", "test")).toBe("a");
    expect(await user("test")).toBe("get reg");
  });

  it.each([
    ["it knows nothing", ["echo 'credentials not found in native keychain'", "exit 1"]],
    ["it has two empty words", ['echo \'{"Username":"","Secret":""}\'']],
  ])("lets the next file have its turn when %s", async (_when, lines) => {
    const files = [authFile({ credsStore: "test" }), authFile({ auths: { reg: auth("a:b") } })];
    expect((await findCredentials({ files, running: helper(...lines) }, "reg", "x"))?.user).toBe("a");
  });

  it.each([
    ["fails", [`echo ${secret}`, "echo the keyring is locked >&2", "exit 3"], "status 3: the keyring is locked"],
    ["gives something else", [`echo ${secret}`], "is not what a credential helper gives"],
    ["takes too long", [`echo ${secret}`, "exec sleep 60"], "took too long"],
  ])("that %s is an error that says why, and repeats no secret", async (_how, lines, why) => {
    const running = { ...helper(...lines), timeout: 2000 };
    const places = { files: [authFile({ credsStore: "test" })], running };
    const error = await findCredentials(places, "reg", "x").catch((caught) => caught);
    expect(error).toMatchObject({ code: "E_AUTH", message: expect.stringContaining(why) });
    expect(`${error.message}${error.hint}${error.cause}`).not.toContain(secret);
  });

  it("is not looked for where keelson was called, and one that is absent is named", async () => {
    const { directory } = helper(gives);
    const before = process.cwd();
    process.chdir(directory);
    onTestFinished(() => process.chdir(before));
    const places = { files: [authFile({ credsStore: "test" })], running: { environment: { PATH: ".::/usr/bin" } } };
    const found = findCredentials(places, "reg", "x");
    await expect(found).rejects.toMatchObject({ code: "E_AUTH" });
    await expect(found).rejects.toThrow("docker-credential-test");
  });

  it("whose name is a path is refused", async () => {
    const places = { files: [authFile({ credsStore: "../evil" })], running: helper(gives) };
    await expect(findCredentials(places, "reg", "x")).rejects.toMatchObject({ code: "E_AUTH" });
  });

  it("lets an image be pulled", async () => {
    const fake = await startFakeRegistry();
    onTestFinished(fake.stop);
    addImage(fake, "v1", gzipSync("layer"), Buffer.from("layer"));
    const basic = `Basic ${Buffer.from(`get ${fake.host}:${secret}`).toString("base64")}`;
    fake.fault = (request, response) =>
      request.headers.authorization !== basic &&
      refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' });
    const plain = helper(`echo "{\\"Username\\":\\"get $server\\",\\"Secret\\":\\"${secret}\\"}"`);
    const registries = async () => ({ ...noRegistries, credentialHelpers: ["test"] });
    const options = { helperEnvironment: plain.environment, registries };
    expect((await pull(`${fake.host}/team/app:v1`, options)).tars).toHaveLength(1);
  });
});
