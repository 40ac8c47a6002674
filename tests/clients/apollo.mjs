import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";

/** How to subscribe with Apollo Client, over multipart HTTP. */
export function overMultipart(url, key) {
  const client = new ApolloClient({
    link: new HttpLink({
      uri: url,
      fetch: (uri, options) =>
        fetch(uri, { ...options, headers: { ...options.headers, authorization: `Bearer ${key()}` } }),
    }),
    cache: new InMemoryCache(),
  });
  return (query, variables, sink) => {
    const subscription = client.subscribe({ query: gql(query), variables }).subscribe(sink);
    return () => subscription.unsubscribe();
  };
}
