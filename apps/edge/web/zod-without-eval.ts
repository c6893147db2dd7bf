/** Imported before anything that makes a schema: zod would try `new Function`, which the page's content security policy refuses and reports. */
import { config } from "zod";

config({ jitless: true });
