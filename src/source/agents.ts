import type { Agent } from "node:http";
import * as tls from "node:tls";
import { type HostCertificates, readCertificateDirectory, readCertificates } from "./certificates.ts";
import { http, https } from "./node-http.ts";
import type { SourceOptions } from "./options.ts";
import { proxyFor } from "./proxy.ts";

/** The kept connections of one registry: to itself, its token server, its storage. */
export interface Agents {
  /** `withSystem`: the system's certificates are trusted too. Throws E_SETTINGS for files in certs.d that cannot be used. */
  of(url: URL, withSystem: boolean): Agent;
  close(): void;
}

/**
 * Connections by origin: a client certificate is shown to the host alone that certs.d has it for, while the authorities
 * of the registry at `host` are also trusted for where it sends to. Node's own agents speak to proxies.
 */
export function openAgents(host: string, options: SourceOptions): Agents {
  const agents = new Map<string, Agent>();
  const { certificateDirectory: given } = options;
  const find = (hosts: readonly string[]): HostCertificates =>
    given !== undefined && hosts.includes(host)
      ? readCertificateDirectory(given)
      : readCertificates(options.certificates ?? [], hosts);
  let own: HostCertificates | undefined;
  const make = (url: URL, withSystem: boolean): Agent => {
    const proxy = options.proxies && proxyFor(url, options.proxies);
    const proxied = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } };
    if (url.protocol === "http:") return new http.Agent({ keepAlive: true, ...proxied });
    own ??= find([host]);
    const secureContext = contextFor(own, find(spellings(url)), withSystem, options);
    return new https.Agent({
      keepAlive: true,
      rejectUnauthorized: options.tlsVerify,
      ...proxied,
      ...(secureContext && { secureContext }),
    });
  };
  return {
    of: (url, withSystem) => {
      const key = `${url.origin} ${withSystem}`;
      const agent = agents.get(key) ?? make(url, withSystem);
      agents.set(key, agent);
      return agent;
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/**
 * One context for all connections: reading the certificates anew for each would cost more than the connection. Where nothing is
 * verified no authority is read.
 */
function contextFor(
  registry: HostCertificates,
  host: HostCertificates,
  withSystem: boolean,
  { ca: given = [], tlsVerify }: SourceOptions,
): tls.SecureContext | undefined {
  if (!tlsVerify) return tls.createSecureContext({ ca: [], cert: [...host.cert], key: [...host.key] });
  const more = [...given, ...registry.ca, ...host.ca];
  if (!withSystem && more.length === 0 && host.cert.length === 0) return undefined;
  const ca = [...tls.getCACertificates("default"), ...(withSystem ? tls.getCACertificates("system") : []), ...more];
  return tls.createSecureContext({ ca: [...new Set(ca)], cert: [...host.cert], key: [...host.key] });
}

/** What the host of a URL may be called in certs.d. */
function spellings(url: URL): readonly string[] {
  const hub = url.hostname === "registry-1.docker.io" ? ["docker.io"] : [];
  return [url.host, ...(url.port === "" ? [`${url.hostname}:443`] : []), ...hub];
}
