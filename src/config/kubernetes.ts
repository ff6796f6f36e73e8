/**
 * Matches the value of a variable that Kubernetes sets in every container for a Service. The name of the variable
 * derives from the Service: for a Service called `admin`, Kubernetes sets `ADMIN_PORT=tcp://10.0.0.1:80`.
 */
export const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//

/** Advice that is added to an error message if a setting has such a value of Kubernetes. */
export const SERVICE_ADVICE =
  'Kubernetes sets this for a Service of that name; enableServiceLinks: false in the pod ends that'
