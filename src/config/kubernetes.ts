/**
 * The value of a variable that Kubernetes sets in every container for a Service. The variable is called after the Service:
 * one called `admin` makes `ADMIN_PORT=tcp://10.0.0.1:80`.
 */
export const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//

/** Advice that is added to a message where such a value stands in place of a setting. */
export const SERVICE_ADVICE =
  'Kubernetes sets this for a Service of that name; enableServiceLinks: false in the pod ends that'
