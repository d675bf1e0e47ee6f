import { BlockList, isIP } from "node:net";

/** Through which proxies requests go; the URLs may hold passwords, and are never to be printed. */
export interface Proxies {
  readonly http?: string;
  readonly https?: string;
  /** Hosts that are spoken to directly: the value of NO_PROXY. */
  readonly except: string;
}

/**
 * The proxy for a URL; undefined where it is spoken to directly. NO_PROXY is read as Go's net/http reads it: `*`, addresses,
 * networks, domains with what is below them, `.domain` for what is below alone, each with a port or without. This
 * machine itself is never asked for by a proxy. https://pkg.go.dev/golang.org/x/net/http/httpproxy
 */
export function proxyFor(url: URL, proxies: Proxies): string | undefined {
  const proxy = url.protocol === "https:" ? proxies.https : proxies.http;
  if (proxy === undefined || isLoopback(hostOf(url))) return undefined;
  const entries = proxies.except.split(",").map((entry) => entry.trim().toLowerCase());
  return entries.some((entry) => entry !== "" && excepts(entry, url)) ? undefined : proxy;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || (isIP(host) === 4 ? host.startsWith("127.") : host === "::1");
}

function excepts(entry: string, url: URL): boolean {
  const host = hostOf(url);
  if (entry === "*") return true;
  if (entry.includes("/")) return inNetwork(entry, host);
  const { name, port } = splitPort(entry);
  if (port !== undefined && port !== (url.port || (url.protocol === "https:" ? "443" : "80"))) return false;
  if (isIP(name) !== 0) return isIP(host) === isIP(name) && listOf((list) => list.addAddress(name, family(name)))(host);
  const below = name.replace(/^\*?\./, "");
  if (below === "") return false;
  return host.endsWith(`.${below}`) || (below === name && host === below);
}

/** `[::1]:80`, `::1`, `host:80` or `host`. */
function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::([0-9]+))?$/.exec(entry);
  if (bracketed) return { name: bracketed[1] ?? "", port: bracketed[2] };
  const [, name, port] = /^([^:]*):([0-9]+)$/.exec(entry) ?? [];
  return name === undefined ? { name: entry, port: undefined } : { name, port };
}

function inNetwork(entry: string, host: string): boolean {
  const [address = "", length = ""] = entry.split("/");
  const bits = isIP(address) === 4 ? 32 : 128;
  if (isIP(address) === 0 || isIP(host) !== isIP(address) || !/^[0-9]{1,3}$/.test(length) || Number(length) > bits) {
    return false;
  }
  return listOf((list) => list.addSubnet(address, Number(length), family(address)))(host);
}

function listOf(fill: (list: BlockList) => void): (host: string) => boolean {
  const list = new BlockList();
  fill(list);
  return (host) => list.check(host, family(host));
}

function family(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
