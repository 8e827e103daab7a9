/** What a role may do; the server decides, the page only does not tempt. */

import type { Role } from "../api/types";

const RANK: Role[] = ["viewer", "guard", "engineer", "admin"];

/** Roles include the ones before; a biller is a viewer who also exports. */
export function may(role: Role, needed: Role): boolean {
  if (role === needed || role === "admin") return true;
  if (role === "biller") return needed === "viewer";
  return RANK.indexOf(role) >= RANK.indexOf(needed) && needed !== "biller";
}
