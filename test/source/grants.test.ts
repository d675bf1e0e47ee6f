import { writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseReference, type RegistryReference } from "../../src/image/reference.ts";
import { findCredentials } from "../../src/source/credentials.ts";
import { openDestination } from "../../src/source/open-destination.ts";
import type { SourceOptions } from "../../src/source/options.ts";
import { deleteImage, listTags } from "../../src/source/registry-verbs.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { type FakeRegistry, refuse, startFakeRegistry } from "../fakes/registry.ts";
import { testOptions } from "./pull.ts";

const digest = `sha256:${"a".repeat(64)}` as const;
const identityToken = "1dent1ty-t0ken";
let fake: FakeRegistry;
let tokens: FakeRegistry;
/** What the token server was asked with: method, query or form, Authorization. */
let asked: (readonly [string | undefined, Readonly<Record<string, string>>, string | undefined])[];
let realmHost: string;

beforeEach(async () => {
  [fake, tokens] = await Promise.all([startFakeRegistry(), startFakeRegistry()]);
  asked = [];
  realmHost = tokens.host;
  tokens.fault = (request, response) => {
    void answerToken(request, response);
    return true;
  };
});

afterEach(() => Promise.all([fake.stop(), tokens.stop()]));

async function answerToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const query = new URL(request.url ?? "", "http://any").searchParams;
  const form = new URLSearchParams(await text(request));
  asked.push([request.method, Object.fromEntries([...query, ...form]), request.headers.authorization]);
  response.writeHead(200, { "content-type": "application/json" }).end('{"access_token":"granted"}');
}

/** Wants a token, and then answers; the challenge names no scope. */
function guarded(answer: (request: IncomingMessage, response: ServerResponse) => void): void {
  fake.fault = (request, response) => {
    if (request.headers.authorization !== "Bearer granted") {
      const challenge = `Bearer realm="http://${realmHost}/token",service="the registry"`;
      return refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": challenge });
    }
    answer(request, response);
    return true;
  };
}

const named = (version: string): RegistryReference => {
  const reference = parseReference(`${fake.host}/team/app${version}`);
  if (reference.kind !== "registry") throw new Error("not of a registry");
  return reference;
};

function withFile(document: object): SourceOptions {
  const file = join(scratchDirectory(), "auth.json");
  writeFileSync(file, JSON.stringify(document));
  return { ...testOptions, authFiles: [file] };
}

const noTags = (_: IncomingMessage, response: ServerResponse): void => void response.end('{"tags":null}');

describe("an identity token", () => {
  const auths = (): object => ({ auths: { [fake.host]: { auth: "dXNlcjo=", identitytoken: identityToken } } });

  it("is what the token server is asked with, as OAuth2 has it", async () => {
    guarded(noTags);
    expect(await listTags(named(":v1"), withFile(auths()))).toEqual([]);
    const form = {
      grant_type: "refresh_token",
      refresh_token: identityToken,
      client_id: "keelson",
      service: "the registry",
      scope: "repository:team/app:pull",
    };
    expect(asked).toEqual([["POST", form, undefined]]);
    expect(JSON.stringify(fake.requests)).not.toContain(identityToken);
  });

  it("is never given to a token server of another site, nor to a registry that wants a password", async () => {
    guarded(noTags);
    realmHost = tokens.host.replace("127.0.0.1", "localhost");
    await listTags(named(":v1"), withFile(auths()));
    expect(asked).toEqual([["GET", expect.not.objectContaining({ refresh_token: identityToken }), undefined]]);
    fake.fault = (_, response) => refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="any"' });
    await expect(listTags(named(":v1"), withFile(auths()))).rejects.toMatchObject({ code: "E_AUTH" });
    expect(fake.requests.every(({ headers }) => !headers.authorization?.startsWith("Basic"))).toBe(true);
  });

  it("is not shown when the token server repeats it", async () => {
    guarded(noTags);
    tokens.fault = (_, response) => {
      response.writeHead(403).end(`no: ${identityToken}`);
      return true;
    };
    const error = await listTags(named(":v1"), withFile(auths())).catch((caught) => caught);
    expect([error.code, error.message]).toEqual(["E_AUTH", expect.stringMatching(/no: \*\*\*/)]);
  });

  it("may come from a file without a user, and wins over a password there", async () => {
    const options = withFile({ auths: { reg: { identitytoken: "t" }, other: { auth: "YTpi", identitytoken: "" } } });
    const places = { files: options.authFiles };
    expect(await findCredentials(places, "reg", "x")).toEqual({ user: "", password: "", identityToken: "t" });
    expect(await findCredentials(places, "other", "x")).toEqual({ user: "a", password: "b" });
  });
});

describe("a token is asked for with what is to be done", () => {
  it("pull and push, to write", async () => {
    guarded((request, response) => void response.writeHead(request.method === "HEAD" ? 404 : 500).end());
    const destination = await openDestination(named(":v1"), testOptions);
    const blob = { digest, size: 1, mediaType: "application/octet-stream" } as const;
    expect(await destination.hasBlob(blob)).toBe(false);
    await destination.close();
    expect(asked[0]?.[1]).toEqual({ service: "the registry", scope: "repository:team/app:pull,push" });
  });

  it("pull and delete, to delete", async () => {
    guarded((_, response) => void response.writeHead(202).end());
    await deleteImage(named(`@${digest}`), testOptions);
    expect(asked[0]?.[1]).toEqual({ service: "the registry", scope: "repository:team/app:pull,delete" });
  });
});

describe("tags come page by page", () => {
  /** Pages by their number; the link to the next as `link` makes it. */
  function paged(pages: readonly (readonly string[])[], link: (next: number) => string): void {
    fake.fault = (request, response) => {
      const at = Number(/[?&]page=([0-9]+)/.exec(request.url ?? "")?.[1] ?? 0);
      const more = at + 1 < pages.length ? { link: link(at + 1) } : {};
      response.writeHead(200, { "content-type": "application/json", ...more });
      response.end(JSON.stringify({ name: "team/app", tags: pages[at] }));
      return true;
    };
  }

  it.each<[string, (next: number) => string]>([
    ["a path", (next) => `</v2/team/app/tags/list?page=${next}>; rel="next"`],
    ["a path beside the last", (next) => `<list?page=${next}>; rel=next`],
    ["a URL", (next) => `<http://${fake.host}/v2/team/app/tags/list?page=${next}>; rel="next"`],
    ["one link of two", (next) => `</first>; rel="first", </v2/team/app/tags/list?page=${next}>; rel="next"`],
  ])("where the link is %s", async (_, link) => {
    paged([["a", "b"], ["c"], []], link);
    expect(await listTags(named(":v1"), testOptions)).toEqual(["a", "b", "c"]);
    expect(fake.requests.filter(({ path }) => path.includes("/tags/list"))).toHaveLength(3);
  });

  it("and a link to another host gets no credentials", async () => {
    const elsewhere = await startFakeRegistry();
    elsewhere.fault = (_, response) => {
      response.end('{"tags":["b"]}');
      return true;
    };
    guarded((_, response) => {
      response.writeHead(200, { link: `<http://${elsewhere.host}/v2/team/app/tags/list>; rel="next"` });
      response.end('{"tags":["a"]}');
    });
    expect(await listTags(named(":v1"), testOptions)).toEqual(["a", "b"]);
    expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
    await elsewhere.stop();
  });
});
