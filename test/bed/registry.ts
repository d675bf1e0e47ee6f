import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "./run.ts";
import { startTokenServer, type TokenServer } from "./token-server.ts";

export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** With TLS: the certificate authority, PEM. */
  readonly ca?: string;
  /** With client certificates: one, with its key, PEM. */
  readonly client?: { readonly cert: string; readonly key: string };
  /** With `tokensFor`: what gives the tokens. */
  readonly tokens?: TokenServer;
  /** Where the registry keeps blobs, for tests that damage them. */
  readonly storage: string;
  /** Ends the process and removes its files. */
  stop(): Promise<void>;
}

export interface TestRegistryOptions {
  readonly tls?: boolean;
  /** With TLS: only who shows a certificate of the authority is spoken to. */
  readonly clientCertificates?: boolean;
  /** With TLS: the token server that the registry names; no token of it is ever good enough. */
  readonly tokenServer?: string;
  /** With TLS: a token server of its own; the user may do everything, others may pull. */
  readonly tokensFor?: { readonly name: string; readonly password: string };
  /** Basic authentication: the only user that may do anything. */
  readonly user?: { readonly name: string; readonly password: string };
}

/** Starts Debian's docker-registry on a free port of the loopback; it listens when this returns. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "keelson-registry-"));
  const storage = join(directory, "storage");
  const certificates = options.tls ? await writeCertificates(directory) : undefined;
  if (options.user) {
    const { name, password } = options.user;
    await writeFile(join(directory, "htpasswd"), await run("htpasswd", "-Bbn", name, password));
  }
  const signer = { certificate: join(directory, "leaf.pem"), key: join(directory, "leaf.key") };
  const tokens = options.tokensFor && (await startTokenServer(signer, options.tokensFor));
  const tokenServer = tokens?.realm ?? options.tokenServer;
  const config = join(directory, "config.json");
  await writeFile(config, JSON.stringify(configuration(directory, storage, { ...options, tokenServer })));
  const server = spawn("docker-registry", ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
  const stop = async (): Promise<void> => {
    const ended = server.exitCode === null && server.signalCode === null ? once(server, "exit") : undefined;
    server.kill("SIGKILL");
    tokens?.stop();
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const host = `127.0.0.1:${await listeningPort(server)}`;
    await answers(host);
    return { host, storage, stop, ...certificates, ...(tokens && { tokens }) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** YAML is a superset of JSON, so the registry reads this as its configuration. */
function configuration(
  directory: string,
  storage: string,
  options: Omit<TestRegistryOptions, "tokenServer"> & { readonly tokenServer: string | undefined },
): object {
  const clients = options.clientCertificates && { clientcas: [join(directory, "ca.pem")] };
  const tls = options.tls && { certificate: join(directory, "leaf.pem"), key: join(directory, "leaf.key"), ...clients };
  return {
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    // The secret is for uploads that span several registries.
    http: { addr: "127.0.0.1:0", secret: "test", ...(tls && { tls }) },
    ...(options.tokenServer && {
      auth: {
        token: {
          realm: options.tokenServer,
          service: "test",
          issuer: "test",
          rootcertbundle: join(directory, "ca.pem"),
        },
      },
    }),
    ...(options.user && { auth: { htpasswd: { realm: "test", path: join(directory, "htpasswd") } } }),
  };
}

/** The port is chosen by the kernel and named in the log, so no two registries can want the same one. */
async function listeningPort(server: ChildProcess): Promise<string> {
  const lines: string[] = [];
  if (server.stderr === null) throw new Error("docker-registry was started without its log");
  for await (const line of createInterface({ input: server.stderr })) {
    lines.push(line);
    const port = /listening on 127\.0\.0\.1:([0-9]+)/.exec(line)?.[1];
    if (port !== undefined) {
      server.stderr.resume();
      return port;
    }
  }
  throw new Error(`docker-registry ended before it listened:\n${lines.join("\n")}`);
}

async function answers(host: string): Promise<void> {
  const socket = connect(Number(host.split(":")[1]), "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
}

/** A certificate authority of its own, and certificates by it for the loopback and for a client. */
async function writeCertificates(directory: string): Promise<Required<Pick<TestRegistry, "ca" | "client">>> {
  const file = (name: string): string => join(directory, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-subj", "/CN=keelson test authority", "-keyout", file("ca.key"), "-out", file("ca.pem")];
  await run("openssl", "req", "-x509", ...key, ...authority, "-days", "2");
  const leaf = ["-subj", "/CN=localhost", "-keyout", file("leaf.key"), "-out", file("leaf.csr")];
  await run("openssl", "req", "-new", ...key, ...leaf);
  await writeFile(file("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.example\n");
  const by = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file("extensions")];
  await run("openssl", "x509", "-req", "-in", file("leaf.csr"), ...by, "-out", file("leaf.pem"), "-days", "2");
  const client = ["-subj", "/CN=keelson test client", "-keyout", file("client.key"), "-out", file("client.csr")];
  await run("openssl", "req", "-new", ...key, ...client);
  const signed = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
  await run("openssl", "x509", "-req", "-in", file("client.csr"), ...signed, "-out", file("client.pem"));
  const [ca, cert, clientKey] = await Promise.all(
    ["ca.pem", "client.pem", "client.key"].map((name) => readFile(file(name), "utf8")),
  );
  return { ca: ca ?? "", client: { cert: cert ?? "", key: clientKey ?? "" } };
}
