import { sign } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

/** What a token of docker-registry is signed with, PEM: a certificate by an authority that the registry knows, and its key. */
export interface TokenSigner {
  readonly certificate: string;
  readonly key: string;
}

export interface TokenServer {
  /** What it was asked for, in order: who asked, and the scopes. */
  readonly asked: readonly { readonly user: string | undefined; readonly scopes: readonly string[] }[];
  readonly realm: string;
  stop(): void;
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/**
 * A token server for docker-registry, over TLS: the user may do everything, others may pull.
 * https://distribution.github.io/distribution/spec/auth/jwt/
 */
export async function startTokenServer(
  signer: TokenSigner,
  user: { readonly name: string; readonly password: string },
): Promise<TokenServer> {
  const [cert, key] = await Promise.all([readFile(signer.certificate, "utf8"), readFile(signer.key, "utf8")]);
  const asked: { user: string | undefined; scopes: readonly string[] }[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "https://localhost");
    const given = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
    const known = given === `${user.name}:${user.password}`;
    if (given !== "" && !known) return void response.writeHead(401).end("{}");
    const scopes = searchParams.getAll("scope").flatMap((scope) => scope.split(" "));
    asked.push({ user: known ? user.name : undefined, scopes });
    const access = scopes.map((scope): Access => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: known ? actions.split(",") : ["pull"] };
    });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token: tokenFor(access, cert, key) }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const realm = `https://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return { asked, realm, stop: () => void server.close().closeAllConnections() };
}

function tokenFor(access: readonly Access[], certificate: string, key: string): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: "JWT", alg: "ES256", x5c: [certificate.replace(/-----[^-]+-----|\s/g, "")] };
  const claims = {
    iss: "test",
    aud: "test",
    sub: "",
    exp: now + 60,
    nbf: now - 60,
    iat: now,
    jti: String(now),
    access,
  };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
